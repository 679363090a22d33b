"""Test scores against context: structures found within budgets, and hand-designed ones scaled to the same budgets."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from analysis.frontier import HAND, KINDS, TOLERANCE, Point, read_frontier
from analysis.plots.colours import COLOURS, FAINT, TEXT
from analysis.plots.figure_file import legend_below, new_figure

MARKERS = {HAND: "*", "found": "o", "cut": "s", "even": "^"}


def draw_frontier(points: Sequence[Point]) -> Figure:
    """Mean of the five metrics by the context of the network, with the 95 % intervals of the differences from hand."""
    figure = new_figure(5.5, 11.0)
    axes = figure.subplots()
    hand = next(point for point in points if point.name == HAND)
    in_seconds = hand.seconds is not None
    axes.axhline(hand.score, color=TEXT, linewidth=1)
    axes.axhspan(hand.score - TOLERANCE, hand.score, color=FAINT, alpha=0.4, linewidth=0)
    handles, labels = [], []
    for kind, colour in zip(KINDS, (TEXT, *COLOURS), strict=False):
        of_kind = sorted((point for point in points if point.kind == kind), key=lambda point: point.frames)
        if not of_kind:
            continue
        contexts = [point.seconds if in_seconds else point.frames for point in of_kind]
        widths = [(point.comparison and point.comparison.half_width) or 0.0 for point in of_kind]
        drawn = axes.errorbar(
            contexts,  # type: ignore[arg-type]
            [point.score for point in of_kind],
            widths,
            color=colour,
            marker=MARKERS[kind],
            markersize=12 if kind == HAND else 7,
            capsize=4,
        )
        handles.append(drawn)
        labels.append(KINDS[kind])
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 0), min(high, 100))  # intervals of few pairs are wider than what there is
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel(f"the network sees ({'seconds' if in_seconds else 'frames'})")
    axes.set_ylabel("mean of the five test metrics (%)")
    axes.set_title("bars: 95 % interval of the difference from hand; grey: within one point of it", fontsize=12)
    axes.spines[["top", "right"]].set_visible(False)
    legend_below(figure, handles, labels)  # type: ignore[arg-type]
    return figure


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``frontier``."""
    parser.add_argument("folder", type=Path, help="of experiments.context: runs/NAME/context")


def figure_of(arguments: argparse.Namespace) -> Figure:
    """The figure that the options of ``frontier`` ask for. Raises BadInput where there are no results."""
    return draw_frontier(read_frontier(arguments.folder))
