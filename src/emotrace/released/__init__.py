"""The paper's own models: where their released checkpoints are, how to get them, and how to read them."""
