"""Results of searches and trainings: structure files, tables, figures, reports."""

import nas_space  # noqa: F401  sets how threads wait, before PyTorch is loaded
