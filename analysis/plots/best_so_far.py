"""Best score so far of several searches, against the epochs trained and against device hours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.artist import Artist
from matplotlib.figure import Figure

from analysis.history import History
from analysis.plots.colours import COLOURS, FAINT
from analysis.plots.figure_file import legend_below, new_figure
from analysis.plots.progress import SPENT, Course

LINES = ("-", "--", ":", "-.")


def draw_best_so_far(searches: Mapping[str, History], objective: str) -> Figure:
    """The figure of searches, by name. Raises BadInput where one of them has no successful trial.

    Args:
        objective: what their scores are, for the axis.
    """
    figure = new_figure(5.5)
    epochs, hours = figure.subplots(1, 2, sharey=True)
    handles: list[Artist] = []
    for number, history in enumerate(searches.values()):
        look: dict[str, Any] = {
            "color": COLOURS[number % len(COLOURS)],
            "linestyle": LINES[number // len(COLOURS) % len(LINES)],
        }
        look |= {"drawstyle": "steps-post", "marker": "o", "markevery": [-1], "linewidth": 2}
        by_epochs, by_seconds = Course.of(history, "epochs"), Course.of(history, "seconds")
        handles += epochs.plot(by_epochs.spent, by_epochs.best, **look)
        hours.plot([spent / 3600 for spent in by_seconds.spent], by_seconds.best, **look)
    epochs.set_xlabel(SPENT["epochs"])
    hours.set_xlabel("device hours of all successful trials (0 where not reported)")
    epochs.set_ylabel(f"best so far: {objective} (%)")
    for axes in (epochs, hours):
        axes.grid(axis="y", color=FAINT, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    legend_below(figure, handles, list(searches))
    return figure
