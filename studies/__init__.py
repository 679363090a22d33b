"""What searches find, studied on data that anybody can get."""

import nas_space  # noqa: F401  says how threads wait, before PyTorch is loaded
