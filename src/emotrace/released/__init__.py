"""The paper's and others' released checkpoints: where they are, how to get them, and how to read them as data."""
