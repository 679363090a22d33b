"""What the searches prefer: dilations of all structures found, layer by layer, and the blocks' receptive fields."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from statistics import median

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.plots.blocks import block_edges, block_middles, block_names, rows_of
from analysis.plots.colours import COLOURS, FAINT, TEXT
from analysis.plots.figure_file import legend_below, new_figure, short
from nas_space.receptive_field import ReceptiveField
from nas_space.structure import Structure
from studies.search_quality.strategy_names import HAND
from studies.search_quality.table import Row

MOST_LABELS = 60
"""Layers that are labelled below a panel; larger networks skip some."""


def text_fields(rows: Sequence[Row]) -> str:
    """Median receptive fields of blocks and networks, in frames as the network reads them."""
    width = max(len(row.strategy) for row in rows)
    lines: list[str] = []
    for dataset, of_dataset in groupby(rows, key=lambda row: row.dataset):
        lines += [*([""] if lines else []), dataset]
        for number, row in enumerate(of_dataset):
            fields = [ReceptiveField.of(result.structure) for result in row.results]
            blocks = list(zip(*(field.blocks for field in fields), strict=True))
            if number == 0:
                heads = [*block_names(row.results[0].structure.network), "network"]
                lines.append(f"{'':<{width}}{'searches':>10}" + "".join(f"{head:>10}" for head in heads))
            count = "" if row.strategy == HAND else str(row.searches)
            medians = [
                median(extent.frames for extent in seen) for seen in [*blocks, [field.network for field in fields]]
            ]
            lines.append(f"{row.strategy:<{width}}{count:>10}" + "".join(f"{frames:>10.0f}" for frames in medians))
    about = "receptive field in frames: median over the structures that all searches found"
    return "\n".join([*lines, "", about])


def draw_dilations(rows: Sequence[Row]) -> Figure:
    """One panel per data set: for each layer ``hand``, and the median and quartiles of each strategy's structures."""
    datasets = list(dict.fromkeys(row.dataset for row in rows))
    strategies = list(dict.fromkeys(row.strategy for row in rows if row.strategy != HAND))
    figure = new_figure(1.0 + 4.5 * len(datasets))
    panels = figure.subplots(len(datasets), 1, squeeze=False)[:, 0]
    for axes, dataset in zip(panels, datasets, strict=True):
        _draw_panel(axes, [row for row in rows if row.dataset == dataset], strategies)
    colours = [COLOURS[number % len(COLOURS)] for number in range(len(strategies))]
    handles = [Line2D([], [], color=colour, marker="o", linewidth=2) for colour in colours]
    hand = Line2D([], [], color=TEXT, drawstyle="steps-mid")
    legend_below(figure, [hand, *handles], [HAND, *strategies])
    return figure


def _draw_panel(axes: Axes, rows: Sequence[Row], strategies: Sequence[str]) -> None:
    """The panel of one data set; in all panels, each strategy has its own colour and its own place beside a layer."""
    network = rows[0].results[0].structure.network
    layers, edges = np.arange(len(network.layers)), block_edges(network)
    for start, hand in zip(edges, Structure.hand(network).by_block(), strict=False):
        axes.plot(layers[start : start + len(hand)], hand, color=TEXT, drawstyle="steps-mid", linewidth=1)
        if start:
            axes.axvline(start - 0.5, color=FAINT, linewidth=1)
    for row in rows:
        if row.strategy == HAND:
            continue
        number = strategies.index(row.strategy)
        # (searches, layers); a layer that is left out is drawn at 1/2.
        dilations = np.log2(np.maximum([result.structure.dilations for result in row.results], 0.5))
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
    axes.set_ylabel("dilation (frames): median, quartiles")
    axes.set_title(short(rows[0].dataset))
    shown = layers[:: math.ceil(len(layers) / MOST_LABELS)]
    names = [f"l{row}" for block in network.blocks for row, labels in enumerate(rows_of(block)) for _ in labels]
    axes.set_xticks(shown, [names[layer] for layer in shown], fontsize=10)
    blocks = axes.secondary_xaxis(-0.06)
    blocks.set_xticks(block_middles(network), block_names(network))
    blocks.tick_params(length=0)
    blocks.spines[:].set_visible(False)
    axes.set_xlim(-0.7, len(layers) - 0.3)
    axes.spines[["top", "right"]].set_visible(False)
