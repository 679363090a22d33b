"""Importance of each layer for the scores of a search's trials."""

from __future__ import annotations

from matplotlib.figure import Figure

from analysis.importance import Importance
from analysis.plots.blocks import label_rows, rows_height
from analysis.plots.colours import COLOURS, FAINT, TEXT
from analysis.plots.figure_file import new_figure, short
from nas_space.network import Network


def draw_importance(name: str, importance: Importance, network: Network) -> Figure:
    """The figure of one search. Raises BadInput where there are too many layers for a legible figure."""
    figure = new_figure(rows_height(network) + 1.4)
    axes = figure.add_subplot()
    rows = range(len(network.layers))
    axes.barh(rows, importance.drops, xerr=importance.deviations, color=COLOURS[0], ecolor=TEXT, height=0.7)
    axes.axvline(0, color=TEXT, linewidth=1)
    label_rows(axes, network, [f"{drop:z.2f}" for drop in importance.drops], "mean drop of R²")
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel("drop of R² where the layer's dilations are permuted (bar: mean; line: ± standard deviation)")
    axes.set_title(
        f"{short(name)}: importance of each layer, by a forest over {importance.trials} trials "
        f"(out of bag: R² {importance.r2:.2f}, tau {importance.tau:.2f})"
    )
    return figure
