"""Train, score and save networks."""
