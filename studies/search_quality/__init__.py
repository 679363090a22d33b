"""Searches compared: each evaluates on validation videos; what it finds is trained in full and tested once."""
