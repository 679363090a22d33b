"""Convolutions and residual layers over packed frames, with forms that are fast on a CPU."""
