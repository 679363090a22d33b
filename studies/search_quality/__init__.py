"""Searches compared: each judges on validation videos; its winners are trained in full and tested once."""
