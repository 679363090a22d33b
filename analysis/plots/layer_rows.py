"""Axes whose rows are the layers of a network from top to bottom, stage by stage."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from analysis.plots.colours import TEXT
from common.bad_input import BadInput
from nas_space.shape import MSTCNShape

ROW, SMALLEST, MOST_ROWS = 0.24, 3.4, 120
"""Inches of a row, and of few rows."""


def rows_height(shape: MSTCNShape) -> float:
    """Inches of the rows of a network. Raises BadInput where there are too many for a legible figure."""
    if len(shape.paths) > MOST_ROWS:
        raise BadInput(f"{len(shape.paths)} layers are not legible in one figure")
    return max(ROW * len(shape.paths), SMALLEST)


def label_rows(axes: Axes, shape: MSTCNShape, ends: Sequence[str], about: str) -> None:
    """Name the layers on the left, part the stages, and write how each layer ended on the right."""
    rows = range(len(shape.paths))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(rows, list(shape.paths), fontsize=10)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for stage in range(1, shape.num_stages):
        axes.axhline(stage * shape.num_layers - 0.5, color=TEXT, linewidth=1.5)
    right = axes.secondary_yaxis("right")
    right.set_yticks(rows, ends, fontsize=10)
    right.set_ylabel(about)
    right.tick_params(length=0)
    right.spines[:].set_visible(False)
