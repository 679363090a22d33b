"""Experiment files from the data at hand: what they depend on, their texts, and what they will cost."""
