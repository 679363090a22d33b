"""Structures side by side as maps of blocks by layers: the dilation of every layer, the field of every block."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, to_hex
from matplotlib.figure import Figure

from analysis.plots.blocks import block_names, rows_of
from analysis.plots.colours import FAINT, is_light
from analysis.plots.figure_file import WIDTH, new_figure, positive_fps, short
from common.bad_input import BadInput
from nas_space.network import Network
from nas_space.networks import add_network_argument
from nas_space.receptive_field import ReceptiveField
from nas_space.structure import Branch, Structure
from nas_space.structure_files import read_structure

DIGIT, CELL_HEIGHT, MARGIN, NARROWEST = 0.11, 0.3, 2.6, 2.8
"""Inches: a digit's width, a layer's height, the width of labels and scale, the smallest width of a map."""
LARGEST_LAYERS, LARGEST_MAPS = 100, 60


def widths_of(network: Network) -> list[int]:
    """Columns per block: one, or two where its layers have partners."""
    return [max(map(len, rows_of(block))) for block in network.blocks]


def draw_structures(structures: Mapping[str, Structure], fps: float | None = None) -> Figure:
    """The maps of structures of one network, by their names.

    A layer of several branches has the color of the longest, and shows the shortest and the longest.

    Args:
        fps: frames per second as the network reads them; None: receptive fields in frames only.

    Raises:
        BadInput: there are too many blocks, layers or maps for a legible figure.
    """
    network = next(iter(structures.values())).network
    largest = max(max(structure.dilations) for structure in structures.values())
    depth = max(len(rows_of(block)) for block in network.blocks)
    texts = [text for structure in structures.values() for line in _sees(structure, fps).values() for text in line]
    texts += [_text(branches) for each in structures.values() for branches in each.branches_by_label().values()]
    texts += block_names(network)
    width = max((DIGIT * max(map(len, texts)) + 0.14) * (sum(widths_of(network)) + 0.3), NARROWEST)
    if width > WIDTH - MARGIN or depth > LARGEST_LAYERS or len(structures) > LARGEST_MAPS:
        raise BadInput(f"{len(structures)} maps of {network} are not legible in one figure")
    columns = min(len(structures), int((WIDTH - MARGIN) / width))
    rows = math.ceil(len(structures) / columns)
    lines = depth + (2 if fps else 1)
    figure = new_figure(rows * (CELL_HEIGHT * lines + 1.2), columns * width + MARGIN)
    scale = ScalarMappable(LogNorm(1, max(largest, 2)), "cividis")
    grid = figure.subplots(rows, columns, squeeze=False)
    for index, (name, structure) in enumerate(structures.items()):
        _draw_map(grid.flat[index], name, structure, fps, scale, labelled=index % columns == 0)
    for axes in grid.flat[len(structures) :]:
        axes.remove()
    powers = [2**power for power in range(int(math.log2(max(largest, 2))) + 1)]
    colours = figure.colorbar(scale, ax=figure.axes, label="dilation (frames)", ticks=powers, format="%d", aspect=30)
    colours.minorticks_off()
    return figure


def _draw_map(
    axes: Axes, name: str, structure: Structure, fps: float | None, scale: ScalarMappable, labelled: bool
) -> None:
    """Blocks from left to right, their layers from top to bottom, and their receptive fields below."""
    blocks, widths, branches = structure.network.blocks, widths_of(structure.network), structure.branches_by_label()
    starts = list(accumulate(widths, initial=0))
    cells = {
        (row, start + column): branches[label]
        for start, block in zip(starts, blocks, strict=False)
        for row, labels in enumerate(rows_of(block))
        for column, label in enumerate(labels)
    }
    layers = 1 + max(row for row, _ in cells)
    dilations = np.full((layers, starts[-1]), np.nan)
    for cell, of_layer in cells.items():
        dilations[cell] = of_layer[-1].dilation or np.nan
    colours = scale.to_rgba(dilations)
    axes.imshow(colours, aspect="auto")
    ends = [max(len(rows_of(block)) for block in beside) - 0.5 for beside in pairwise(blocks)]
    axes.vlines([start - 0.5 for start in starts[1:-1]], -0.5, ends, color=FAINT, linewidth=2)
    for (row, column), of_layer in cells.items():
        colour = (
            "black" if np.isnan(dilations[row, column]) or is_light(to_hex(tuple(colours[row, column]))) else "white"
        )
        axes.text(column, row, _text(of_layer), color=colour, ha="center", va="center")
    middles = [start + (width - 1) / 2 for start, width in zip(starts, widths, strict=False)]
    below = _sees(structure, fps)
    for line, texts in enumerate(below.values()):
        for middle, text in zip(middles, texts, strict=True):
            axes.text(middle, layers + 0.2 + line, text, ha="center", va="center")
    axes.set_xticks(middles, block_names(structure.network))
    labels = [*(f"l{layer}" for layer in range(layers)), *below] if labelled else [""] * (layers + len(below))
    axes.set_yticks([*range(layers), *(layers + 0.2 + line for line in range(len(below)))], labels)
    axes.set_ylim(layers - 0.3 + len(below), -0.5)
    if labelled:
        axes.set_ylabel("layers")
    axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)
    seen = ReceptiveField.of(structure).network.frames
    seconds = "" if fps is None else f", {seen / fps:.1f} s"
    causal = "\nof the present and the past" if structure.network.causal else ""
    axes.set_title(f"{short(name, 26)}\nsees {seen} frames{seconds}{causal}", fontsize=12)


def _text(branches: Sequence[Branch]) -> str:
    """``4``, ``3-5`` for several branches, or ``-`` for a layer that is left out."""
    shortest, longest = branches[0].dilation, branches[-1].dilation
    return str(longest or "-") if len(branches) == 1 else f"{shortest}-{longest}"


def _sees(structure: Structure, fps: float | None) -> dict[str, list[str]]:
    """The receptive field of each block in frames, and in seconds, as text."""
    seen = [extent.frames for extent in ReceptiveField.of(structure).blocks]
    lines = {"sees (frames)": [str(frames) for frames in seen]}
    if fps is not None:
        lines["sees (s)"] = [f"{frames / fps:.1f}" for frames in seen]
    return lines


def titles(names: list[str]) -> list[str]:
    """The last parts of paths: folder and file, or more where two would be equal."""
    parts = [Path(name).parts for name in names]
    for count in range(2, max(map(len, parts)) + 1):
        ends = ["/".join(part[-count:]) for part in parts]
        if len(set(ends)) == len(names):
            return ends
    return names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``structure``."""
    parser.add_argument("structures", nargs="+", metavar="FILE", help="structure files of any dialect, or 'hand'")
    parser.add_argument("--fps", type=float, help="frames per second as the network reads them: show seconds, too")
    add_network_argument(parser)


def figure_of(arguments: argparse.Namespace) -> Figure:
    """The figure that the options of ``structure`` ask for. Raises BadInput where a file cannot be used."""
    names = list(dict.fromkeys(arguments.structures))
    structures = [read_structure(name, arguments.network) for name in names]
    return draw_structures(dict(zip(titles(names), structures, strict=True)), positive_fps(arguments.fps))
