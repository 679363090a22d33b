"""Train one structure and score it: data, loss, metrics, training, and the commands around them."""

import nas_space  # noqa: F401  says how threads wait, before PyTorch is loaded
