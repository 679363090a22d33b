"""Train one structure and score it: data, training, and the commands around them."""

import nas_space  # noqa: F401  sets how threads wait before PyTorch is loaded
