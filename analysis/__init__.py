"""Keep the best and show why: searches as they were recorded, structure files, tables, figures, the report."""

import nas_space  # noqa: F401  says how threads wait, before PyTorch is loaded
