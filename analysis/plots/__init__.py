"""Figures as PNG or SVG: segmentations, structures, searches, confusion. ``python -m analysis.plots --help``."""
