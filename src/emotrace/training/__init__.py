"""Training recipes: one module per model, one resumable loop for all."""
