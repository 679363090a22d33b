"""Studies of what searches find, on public data."""

import nas_space  # noqa: F401  sets how threads wait, before PyTorch is loaded
