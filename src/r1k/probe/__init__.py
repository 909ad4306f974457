"""Log-probabilities over the checkpoints of a run."""
