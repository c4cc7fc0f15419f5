"""Replacing the speaker embedding: which voice an utterance gets."""
