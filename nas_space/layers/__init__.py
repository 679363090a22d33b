"""Convolutions and residual layers over packed frames, and the fast forms of them."""
