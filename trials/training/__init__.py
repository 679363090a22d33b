"""Train a network, score it, keep it."""
