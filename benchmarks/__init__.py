"""Speed and memory, measured: each file is a command."""

import nas_space  # noqa: F401  says how threads wait, before PyTorch is loaded
