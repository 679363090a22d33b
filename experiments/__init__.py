"""The YAML files of the experiments, and the commands that check, start and chain them."""

import nas_space  # noqa: F401  sets how threads wait, before PyTorch is loaded
