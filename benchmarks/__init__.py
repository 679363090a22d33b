"""Speed, memory and what a search rests on, measured: each file is a command, and so is each package."""

import nas_space  # noqa: F401  says how threads wait, before PyTorch is loaded
