"""A run or a search as one self-contained HTML page. ``python -m analysis.report --help``."""
