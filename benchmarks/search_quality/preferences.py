"""What the searches prefer: the dilations of all winners, layer by layer, and how far their stages see."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.plots.colours import COLOURS, FAINT, TEXT
from analysis.plots.figure_file import legend_below, new_figure, short
from benchmarks.search_quality.search import HAND
from benchmarks.search_quality.table import Cell
from nas_space.structure import ReceptiveField, Structure

MOST_LABELS = 60
"""Layers that are named below a panel; of a larger network, some are left out."""

Winners = dict[str, dict[str, list[Structure]]]
"""By data set and strategy, both in the order of the table: a structure for each search, found twice or not."""


def winners_of(cells: Sequence[Cell], order: Sequence[tuple[str, str]]) -> Winners:
    """The winner of each search, whose final trainings are ``cells``.

    Args:
        order: data sets and strategies, as they are to be listed.
    """
    places = {cell.place: cell.winner.structure for cell in cells}
    winners: Winners = {}
    for dataset, strategy in order:
        found = [
            places[place]
            for place in sorted(places, key=lambda place: (place.split, place.seed))
            if (place.dataset, place.strategy) == (dataset, strategy)
        ]
        winners.setdefault(dataset, {})[strategy] = found
    return winners


def text_fields(winners: Winners) -> str:
    """How far the stages and the networks of the winners see: medians, in frames as the network reads them."""
    names = [strategy for found in winners.values() for strategy in found]
    width = max(map(len, names))
    lines = []
    for dataset, by_strategy in winners.items():
        stages = next(iter(by_strategy.values()))[0].shape.num_stages
        heads = [*(f"stage {stage}" for stage in range(1, stages + 1)), "network"]
        lines += [dataset, f"{'':<{width}}{'searches':>10}" + "".join(f"{head:>10}" for head in heads)]
        for strategy, found in by_strategy.items():
            fields = [ReceptiveField.of(structure) for structure in found]
            seen = [*zip(*(field.stages for field in fields), strict=True), [field.network for field in fields]]
            count = "" if strategy == HAND else str(len(found))
            medians = "".join(f"{median(frames):>10.0f}" for frames in seen)
            lines.append(f"{strategy:<{width}}{count:>10}{medians}")
        lines.append("")
    return "\n".join([*lines, "frames seen by one output frame, median over the winners of all searches"])


def draw_dilations(winners: Winners) -> Figure:
    """A panel for each data set: for each layer ``hand``, and the median and quartiles of each strategy's winners."""
    figure = new_figure(1.0 + 4.5 * len(winners))
    panels = figure.subplots(len(winners), 1, squeeze=False)[:, 0]
    strategies = list(dict.fromkeys(name for found in winners.values() for name in found if name != HAND))
    for axes, (dataset, found) in zip(panels, winners.items(), strict=True):
        _draw_panel(axes, dataset, found, strategies)
    colours = [COLOURS[number % len(COLOURS)] for number in range(len(strategies))]
    handles = [Line2D([], [], color=colour, marker="o", linewidth=2) for colour in colours]
    hand = Line2D([], [], color=TEXT, drawstyle="steps-mid")
    legend_below(figure, [hand, *handles], [HAND, *(f"{name}: median, quartiles" for name in strategies)])
    return figure


def _draw_panel(axes: Axes, dataset: str, found: dict[str, list[Structure]], strategies: Sequence[str]) -> None:
    shape = next(iter(found.values()))[0].shape
    layers = np.arange(len(shape.paths))
    for stage in range(shape.num_stages):
        own = slice(stage * shape.num_layers, (stage + 1) * shape.num_layers)
        hand = Structure.hand(shape).dilations[own]
        axes.plot(layers[own], hand, color=TEXT, drawstyle="steps-mid", linewidth=1)
        if stage:
            axes.axvline(own.start - 0.5, color=FAINT, linewidth=1)
    for number, strategy in enumerate(strategies):
        if strategy not in found:
            continue
        # (searches, layers)
        dilations = np.log2([structure.dilations for structure in found[strategy]])
        low, middle, high = 2 ** np.quantile(dilations, [0.25, 0.5, 0.75], axis=0)
        beside = (number + 1) / (len(strategies) + 1) - 0.5
        colour = COLOURS[number % len(COLOURS)]
        axes.errorbar(
            layers + beside,
            middle,
            yerr=[middle - low, high - middle],
            fmt="o",
            color=colour,
            markersize=5,
            elinewidth=2,
        )
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylabel("dilation (frames)")
    axes.set_title(short(dataset))
    shown = layers[:: math.ceil(len(layers) / MOST_LABELS)]
    axes.set_xticks(shown, [f"l{layer % shape.num_layers}" for layer in shown], fontsize=10)
    stages = axes.secondary_xaxis(-0.06)
    stages.set_xticks(
        [(stage + 0.5) * shape.num_layers - 0.5 for stage in range(shape.num_stages)],
        [f"stage {stage}" for stage in range(1, shape.num_stages + 1)],
    )
    stages.tick_params(length=0)
    stages.spines[:].set_visible(False)
    axes.set_xlim(-0.7, len(layers) - 0.3)
    axes.spines[["top", "right"]].set_visible(False)
