"""How far structures see, layer by layer, beside the lengths of the segments that they are to tell apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.plots.colours import COLOURS, FAINT, TEXT
from analysis.plots.figure_file import WIDTH, legend_below, new_figure, short
from common.bad_input import BadInput
from nas_space.structure import ReceptiveField, Structure

FIELDS, CLASS, MARGIN = 5.5, 0.19, 2.0
"""Inches of the receptive fields, of a class at least, and of what stands beside."""
LONGEST_CLASS = 24
MOST_STRUCTURES, MOST_WITH_DOTS = 12, 4


def draw_receptive_fields(
    structures: Mapping[str, Structure], lengths: Mapping[str, Sequence[int]], fps: float | None
) -> Figure:
    """The figure of structures of one shape, by their names.

    Args:
        lengths: of the segments of each class, by its name, in frames as the network reads them.
        fps: frames per second as the network reads them; None: no axis in seconds.

    Raises:
        BadInput: there are no segments, or too many structures for a legible figure.
    """
    known = {name: sorted(of_class) for name, of_class in lengths.items() if of_class}
    if not known:
        raise BadInput("there are no segments, whose lengths a receptive field could be compared with")
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
    labels = [f"{short(name, 20)}: {ReceptiveField.of(each).network} frames" for name, each in structures.items()]
    if len(handles) > len(labels):
        labels.append("a layer alone")
    legend_below(figure, handles, labels)
    return figure


def _draw_fields(axes: Axes, structures: Mapping[str, Structure]) -> list[Line2D]:
    """What one frame sees after each layer of the network, and of few structures what it sees in each layer alone."""
    handles: list[Line2D] = []
    for colour, structure in zip(COLOURS, structures.values(), strict=False):
        reach = structure.shape.kernel_size - 1
        after = 1 + reach * np.cumsum(structure.dilations)
        look: dict[str, Any] = {"color": colour, "markeredgecolor": TEXT, "markeredgewidth": 0.5}
        handles += axes.plot(after, marker="o", markersize=4, linewidth=2, zorder=3, **look)
        if len(structures) <= MOST_WITH_DOTS:
            alone = 1 + reach * np.array(structure.dilations)
            axes.plot(alone, linestyle="", marker="D", markersize=3.5, zorder=2, **look)
    if len(structures) <= MOST_WITH_DOTS:
        handles.append(Line2D([], [], linestyle="", marker="D", markersize=3.5, color=TEXT))
    shape = next(iter(structures.values())).shape
    for stage in range(1, shape.num_stages):
        axes.axvline(stage * shape.num_layers - 0.5, color=FAINT, linewidth=1, zorder=1)
    shown = range(0, shape.num_stages, -(-shape.num_stages // 10))
    middle = (shape.num_layers - 1) / 2
    axes.set_xticks([stage * shape.num_layers + middle for stage in shown], [f"s{stage + 1}" for stage in shown])
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel(f"layers of each stage, {shape.num_layers} from left to right")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:.0f}")
    axes.set_ylabel("frames, as the network reads them")
    axes.set_title("seen after each layer (half to each side)")
    return handles


def _draw_lengths(axes: Axes, lengths: Mapping[str, Sequence[int]]) -> None:
    """A box from quartile to quartile for each class, with the median in it, and lines to the shortest and longest."""
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
