"""Axes whose rows are the layers of a network from top to bottom, block by block."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from analysis.plots.blocks import block_edges
from analysis.plots.colours import TEXT
from common.bad_input import BadInput
from nas_space.network import Network

ROW, SMALLEST, MOST_ROWS = 0.24, 3.4, 120
"""Inches of a row, and of few rows."""


def rows_height(network: Network) -> float:
    """Inches of the rows of a network. Raises BadInput where there are too many for a legible figure."""
    if len(network.layers) > MOST_ROWS:
        raise BadInput(f"{len(network.layers)} layers are not legible in one figure")
    return max(ROW * len(network.layers), SMALLEST)


def label_rows(axes: Axes, network: Network, ends: Sequence[str], about: str) -> None:
    """Name the layers on the left, part the blocks, and write how each layer ended on the right."""
    rows = range(len(network.layers))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(rows, list(network.paths), fontsize=10)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for edge in block_edges(network)[1:-1]:
        axes.axhline(edge - 0.5, color=TEXT, linewidth=1.5)
    right = axes.secondary_yaxis("right")
    right.set_yticks(rows, ends, fontsize=10)
    right.set_ylabel(about)
    right.tick_params(length=0)
    right.spines[:].set_visible(False)
