"""The YAML files that wire the stations together, and the commands that start them."""

import nas_space  # noqa: F401  says how threads wait, before PyTorch is loaded
