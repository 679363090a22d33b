"""Data sets: read, checked, cached, split."""
