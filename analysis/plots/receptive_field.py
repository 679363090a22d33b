"""Receptive fields of structures after each layer, beside the segment lengths of each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.plots.blocks import block_edges, block_middles, block_names
from analysis.plots.colours import COLOURS, FAINT, TEXT
from analysis.plots.figure_file import WIDTH, legend_below, new_figure, short
from common.bad_input import BadInput
from nas_space.network import Network
from nas_space.receptive_field import ReceptiveField
from nas_space.structure import Structure

FIELDS, CLASS, MARGIN = 5.5, 0.19, 2.0
"""Inches: width of the receptive fields, smallest width of a class, and margins."""
LONGEST_CLASS = 24
MOST_STRUCTURES, MOST_WITH_DOTS, MOST_NAMES = 12, 4, 6


def draw_receptive_fields(
    structures: Mapping[str, Structure], lengths: Mapping[str, Sequence[int]], fps: float | None
) -> Figure:
    """The figure of structures of one network, by their names.

    Args:
        lengths: of the segments of each class, by its name, in frames as the network reads them.
        fps: frames per second as the network reads them; None: no axis in seconds.

    Raises:
        BadInput: there are no segments, or too many structures for a legible figure.
    """
    known = {name: sorted(of_class) for name, of_class in lengths.items() if of_class}
    if not known:
        raise BadInput("there are no segments to compare receptive fields with")
    if len(structures) > MOST_STRUCTURES:
        raise BadInput(f"the receptive fields of {len(structures)} structures are not legible in one figure")
    classes = sorted(known, key=lambda name: -known[name][-1])
    longest = known[classes[0]][-1]
    room = max(CLASS * len(classes), WIDTH - FIELDS - MARGIN)
    figure = new_figure(8.5, FIELDS + room + MARGIN)
    fields, boxes = figure.subplots(1, 2, sharey=True, width_ratios=[FIELDS, room])
    handles = _draw_fields(fields, structures)
    _draw_lengths(boxes, {name: known[name] for name in classes})
    for axes in (fields, boxes):
        axes.axhline(longest, color=TEXT, linestyle="--", linewidth=1.2)
        axes.grid(axis="y", color=FAINT, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    boxes.tick_params(axis="y", which="both", length=0)
    if fps is not None:
        rate = fps
        seconds = boxes.secondary_yaxis("right", functions=(lambda frame: frame / rate, lambda second: second * rate))
        seconds.set_ylabel(f"seconds (at {fps:g} frames per second)")
        seconds.yaxis.set_major_formatter("{x:g}")
        seconds.spines["right"].set_color(FAINT)
    about = f"longest segment: {longest} frames"
    boxes.annotate(about, (1, longest), (0, 4), boxes.get_yaxis_transform(), "offset points", ha="right")
    seen = [ReceptiveField.of(structure).network.frames for structure in structures.values()]
    labels = [f"{short(name, 20)}: {frames} frames" for name, frames in zip(structures, seen, strict=True)]
    if len(handles) > len(labels):
        labels.append("a layer alone")
    legend_below(figure, handles, labels)
    return figure


def _draw_fields(axes: Axes, structures: Mapping[str, Structure]) -> list[Line2D]:
    """The receptive field after each layer of the network and, for few structures, of each layer alone."""
    handles: list[Line2D] = []
    for colour, structure in zip(COLOURS, structures.values(), strict=False):
        field = ReceptiveField.of(structure)
        look: dict[str, Any] = {"color": colour, "markeredgecolor": TEXT, "markeredgewidth": 0.5}
        after = [extent.frames for extent in field.after]
        handles += axes.plot(after, marker="o", markersize=4, linewidth=2, zorder=3, **look)
        if len(structures) <= MOST_WITH_DOTS:
            alone = [extent.frames for block in field.layers for extent in block]
            axes.plot(alone, linestyle="", marker="D", markersize=3.5, zorder=2, **look)
    if len(structures) <= MOST_WITH_DOTS:
        handles.append(Line2D([], [], linestyle="", marker="D", markersize=3.5, color=TEXT))
    network = next(iter(structures.values())).network
    _name_blocks(axes, network)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:.0f}")
    axes.set_ylabel("frames, as the network reads them")
    side = "of the present and the past" if network.causal else "half to each side"
    axes.set_title(f"receptive field after each layer ({side})")
    return handles


def _name_blocks(axes: Axes, network: Network) -> None:
    """Separate the blocks, and name as many of them as there is room for."""
    edges = block_edges(network)
    for edge in edges[1:-1]:
        axes.axvline(edge - 0.5, color=FAINT, linewidth=1, zorder=1)
    middles, names, labelled = block_middles(network), block_names(network), [0]
    for index, middle in enumerate(middles):
        if middle - middles[labelled[-1]] >= edges[-1] / MOST_NAMES:
            labelled.append(index)
    axes.set_xticks([middles[index] for index in labelled], [names[index] for index in labelled])
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel("layers of each block, from left to right")


def _draw_lengths(axes: Axes, lengths: Mapping[str, Sequence[int]]) -> None:
    """A box plot for each class: quartiles, median, shortest and longest segment."""
    line = {"linewidth": 1.2, "color": TEXT}
    axes.boxplot(
        list(lengths.values()),
        whis=(0, 100),
        widths=0.6,
        patch_artist=True,
        boxprops={"facecolor": FAINT, "linewidth": 0},
        medianprops={"color": TEXT, "linewidth": 2.5},
        whiskerprops=line,
        capprops=line,
    )
    names = [f"{short(name, LONGEST_CLASS)} ({len(of_class)})" for name, of_class in lengths.items()]
    axes.set_xticks(range(1, len(names) + 1), names, rotation=90, fontsize=10)
    axes.tick_params(axis="x", length=0)
    axes.set_title("lengths of the segments of each class (their number)")
