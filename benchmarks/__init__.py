"""Benchmarks of speed and memory: each file is a command."""

import nas_space  # noqa: F401  sets how threads wait, before PyTorch is loaded
