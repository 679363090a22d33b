"""Positions and names of the blocks and layers of a network in figures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

from matplotlib.axes import Axes

from analysis.plots.colours import TEXT
from analysis.plots.figure_file import short
from common.bad_input import BadInput
from nas_space.network import Block, Network

LONGEST_BLOCK = 8
"""Most characters of a block's name."""
ROW, SMALLEST, MOST_ROWS = 0.24, 3.4, 120
"""Inches of a row, and at least of all rows; most rows of a legible figure."""


def block_edges(network: Network) -> list[int]:
    """(blocks + 1,): index of the first layer of each block, and the number of layers."""
    return list(accumulate((len(block.layers) for block in network.blocks), initial=0))


def block_middles(network: Network) -> list[float]:
    """(blocks,): the middle of each block, in layers counted from 0."""
    return [(start + end - 1) / 2 for start, end in pairwise(block_edges(network))]


def block_names(network: Network) -> list[str]:
    """The names of the blocks, shortened to fit side by side."""
    return [short(block.name, LONGEST_BLOCK) for block in network.blocks]


def rows_of(block: Block) -> list[list[str]]:
    """The labels of a block's layers, in order; partners share a row."""
    rows: list[list[str]] = []
    for layer in block.layers:
        if rows and layer.partner in rows[-1]:
            rows[-1].append(layer.label)
        else:
            rows.append([layer.label])
    return rows


def rows_height(network: Network) -> float:
    """Inches of the rows of a network. Raises BadInput where there are too many for a legible figure."""
    if len(network.layers) > MOST_ROWS:
        raise BadInput(f"{len(network.layers)} layers are not legible in one figure")
    return max(ROW * len(network.layers), SMALLEST)


def label_rows(axes: Axes, network: Network, ends: Sequence[str], about: str) -> None:
    """Label the layers on the left, separate the blocks, and write the result of each layer on the right."""
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
