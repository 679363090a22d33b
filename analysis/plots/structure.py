"""Structures side by side as maps of stages by layers: the dilation of every layer, and how far each stage sees."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, to_hex
from matplotlib.figure import Figure

from analysis.plots.colours import is_light
from analysis.plots.figure_file import WIDTH, new_figure, positive_fps, short
from common.bad_input import BadInput
from nas_space.shape import MSTCNShape
from nas_space.structure import ReceptiveField, Structure
from nas_space.structure_files import read_structure

DIGIT, CELL_HEIGHT, MARGIN, NARROWEST = 0.11, 0.3, 2.6, 2.8
"""Inches: a digit's width, a layer's height, what labels and scale take beside the maps, a map with its title."""
LARGEST_LAYERS, LARGEST_MAPS = 100, 60


def draw_structures(structures: Mapping[str, Structure], fps: float | None = None) -> Figure:
    """The maps of structures of one shape, by their names.

    Args:
        fps: frames per second as the network reads them; None: receptive fields in frames only.

    Raises:
        BadInput: there are too many stages, layers or maps for legible ones.
    """
    shape = next(iter(structures.values())).shape
    largest = max(max(structure.dilations) for structure in structures.values())
    texts = [text for structure in structures.values() for line in _sees(structure, fps).values() for text in line]
    texts.append(f"s{shape.num_stages}")
    width = max((DIGIT * max(map(len, texts)) + 0.14) * (shape.num_stages + 0.3), NARROWEST)
    if width > WIDTH - MARGIN or shape.num_layers > LARGEST_LAYERS or len(structures) > LARGEST_MAPS:
        size = f"{shape.num_stages} stages x {shape.num_layers} layers"
        raise BadInput(f"{len(structures)} maps of {size} are not legible in one figure")
    columns = min(len(structures), int((WIDTH - MARGIN) / width))
    rows = math.ceil(len(structures) / columns)
    lines = shape.num_layers + (2 if fps else 1)
    figure = new_figure(rows * (CELL_HEIGHT * lines + 1.2), columns * width + MARGIN)
    scale = ScalarMappable(LogNorm(1, max(largest, 2)), "cividis")
    grid = figure.subplots(rows, columns, squeeze=False)
    for place, (name, structure) in enumerate(structures.items()):
        _draw_map(grid.flat[place], name, structure, fps, scale, labelled=place % columns == 0)
    for axes in grid.flat[len(structures) :]:
        axes.remove()
    powers = [2**power for power in range(int(math.log2(max(largest, 2))) + 1)]
    colours = figure.colorbar(scale, ax=figure.axes, label="dilation (frames)", ticks=powers, format="%d", aspect=30)
    colours.minorticks_off()
    return figure


def _draw_map(
    axes: Axes, name: str, structure: Structure, fps: float | None, scale: ScalarMappable, labelled: bool
) -> None:
    """Stages from left to right, layers from top to bottom, and below them what each stage sees."""
    field = ReceptiveField.of(structure)
    dilations = np.array(structure.stages()).T
    layers, stages = dilations.shape
    colours = scale.to_rgba(dilations)
    axes.imshow(colours, aspect="auto")
    for (layer, stage), dilation in np.ndenumerate(dilations):
        colour = "black" if is_light(to_hex(tuple(colours[layer, stage]))) else "white"
        axes.text(stage, layer, str(dilation), color=colour, ha="center", va="center")
    below = _sees(structure, fps)
    for line, texts in enumerate(below.values()):
        for stage, text in enumerate(texts):
            axes.text(stage, layers + 0.2 + line, text, ha="center", va="center")
    axes.set_xticks(range(stages), [f"s{stage}" for stage in range(1, stages + 1)])
    labels = [*(f"l{layer}" for layer in range(layers)), *below] if labelled else [""] * (layers + len(below))
    axes.set_yticks([*range(layers), *(layers + 0.2 + line for line in range(len(below)))], labels)
    axes.set_ylim(layers - 0.3 + len(below), -0.5)
    if labelled:
        axes.set_ylabel("layers")
    axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)
    seconds = "" if fps is None else f", {field.network / fps:.1f} s"
    axes.set_title(f"{short(name, 26)}\nsees {field.network} frames{seconds}", fontsize=12)


def _sees(structure: Structure, fps: float | None) -> dict[str, list[str]]:
    """The receptive field of each stage in frames, and in seconds, as text."""
    stages = ReceptiveField.of(structure).stages
    lines = {"sees (frames)": [str(frames) for frames in stages]}
    if fps is not None:
        lines["sees (s)"] = [f"{frames / fps:.1f}" for frames in stages]
    return lines


def titles(names: list[str]) -> list[str]:
    """The ends of paths: file and folder, or more where two would be the same."""
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
    MSTCNShape.add_arguments(parser)


def figure_of(arguments: argparse.Namespace) -> Figure:
    """The figure that the options of ``structure`` ask for. Raises BadInput where a file cannot be used."""
    shape = MSTCNShape.from_arguments(arguments)
    names = list(dict.fromkeys(arguments.structures))
    structures = [read_structure(name, shape) for name in names]
    return draw_structures(dict(zip(titles(names), structures, strict=True)), positive_fps(arguments.fps))
