"""Each strategy's difference from ``hand`` with its confidence interval, one panel per data set."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from analysis.plots.colours import COLOURS, TEXT
from analysis.plots.figure_file import new_figure, short
from studies.search_quality.strategy_names import HAND
from studies.search_quality.table import Row


def draw_differences(rows: Sequence[Row]) -> Figure:
    """The figure of a table: one line per strategy, a faint dot per split, the mean and its 95 % interval."""
    datasets = list(dict.fromkeys(row.dataset for row in rows))
    strategies = list(dict.fromkeys(row.strategy for row in rows if row.strategy != HAND))
    figure = new_figure(2.0 + 0.5 * len(strategies))
    panels = figure.subplots(1, len(datasets), sharey=True, squeeze=False)[0]
    for axes, dataset in zip(panels, datasets, strict=True):
        axes.axvline(0, color=TEXT, linewidth=1)
        for row in rows:
            comparison = row.against(HAND)
            if row.dataset != dataset or comparison is None:
                continue
            line = strategies.index(row.strategy)
            differences = row.differences[HAND]
            axes.plot(differences, [line] * len(differences), "o", color=COLOURS[0], alpha=0.3, markersize=6)
            width = comparison.half_width or 0.0
            axes.errorbar(comparison.difference, line, xerr=width, fmt="o", color=COLOURS[0], markersize=9, capsize=5)
        axes.set_title(short(dataset))
        axes.set_xlabel("better than hand by (mean of the five)")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(strategies)), [short(name) for name in strategies])
    panels[0].set_ylim(len(strategies) - 0.5, -0.5)
    return figure
