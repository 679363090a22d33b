"""Where the blocks of a network lie in a figure, and how they are named there."""

from __future__ import annotations

from itertools import accumulate, pairwise

from analysis.plots.figure_file import short
from nas_space.network import Block, Network

LONGEST_BLOCK = 8
"""Characters of a block's name."""


def block_edges(network: Network) -> list[int]:
    """(blocks + 1,): at which of all layers each block begins, and how many layers there are."""
    return list(accumulate((len(block.layers) for block in network.blocks), initial=0))


def block_middles(network: Network) -> list[float]:
    """(blocks,): where the name of each block belongs, among all layers counted from 0."""
    return [(start + end - 1) / 2 for start, end in pairwise(block_edges(network))]


def block_names(network: Network) -> list[str]:
    """The names of the blocks, short enough to stand side by side."""
    return [short(block.name, LONGEST_BLOCK) for block in network.blocks]


def rows_of(block: Block) -> list[list[str]]:
    """The labels of a block's layers, one after another; partners share a row."""
    rows: list[list[str]] = []
    for layer in block.layers:
        if rows and layer.partner in rows[-1]:
            rows[-1].append(layer.label)
        else:
            rows.append([layer.label])
    return rows
