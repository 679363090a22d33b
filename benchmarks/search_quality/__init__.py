"""Searches compared at equal budget: judged on validation videos, their winners trained in full and tested once."""
