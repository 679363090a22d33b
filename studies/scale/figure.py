"""Hours against GPUs, what the GPUs wait for, and what remains of their time where trials are short."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.plots.colours import COLOURS, FAINT, TEXT
from analysis.plots.figure_file import new_figure
from studies.scale.simulate import SHARES
from studies.scale.table import Row

MARKERS = "osD^vP"


def draw_scale(as_they_are: Sequence[Row], changed: Sequence[Row], short: Sequence[Row]) -> Figure:
    """The figure of a study.

    Args:
        as_they_are: plans on more and more GPUs.
        changed: others; of all, what GPUs do is shown for the most GPUs.
        short: plans with shorter and longer trials.
    """
    figure = new_figure(11.0)
    (hours, lengths), (bars, _) = grid = figure.subplots(2, 2, height_ratios=(1, 1.1))
    grid[1, 1].remove()
    bars.set_subplotspec(grid[1, 0].get_gridspec()[1, :])
    _draw_hours(hours, as_they_are)
    _draw_lengths(lengths, short)
    rows = [*as_they_are, *changed]
    _draw_bars(bars, [row for row in rows if row.gpus == max(each.gpus for each in rows)])
    for axes in (hours, lengths, bars):
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_axisbelow(True)
    return figure


def _draw_hours(axes: Axes, rows: Sequence[Row]) -> None:
    for number, plan in enumerate(dict.fromkeys(row.plan for row in rows)):
        of_plan = [row for row in rows if row.plan == plan]
        axes.plot(
            [row.gpus for row in of_plan],
            [row.outcome.seconds / 3600 for row in of_plan],
            color=COLOURS[number % len(COLOURS)],
            marker=MARKERS[number % len(MARKERS)],
            linewidth=2,
            label=plan,
        )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    gpus = sorted({row.gpus for row in rows})
    axes.set_xticks(gpus, [str(count) for count in gpus])
    axes.set_xlabel("GPUs")
    axes.set_ylabel("hours")
    axes.grid(color=FAINT, linewidth=0.6)
    axes.legend(frameon=False, fontsize=10)
    axes.set_title("Breakfast, simulated")


def _draw_lengths(axes: Axes, rows: Sequence[Row]) -> None:
    for number, (plan, gpus) in enumerate(dict.fromkeys((row.plan, row.gpus) for row in rows)):
        of_plan = [row for row in rows if (row.plan, row.gpus) == (plan, gpus)]
        axes.plot(
            [row.trial_seconds for row in of_plan],
            [100 * row.outcome.share("training") for row in of_plan],
            color=COLOURS[number],
            marker=MARKERS[number],
            linewidth=2,
            label=f"{plan}: {gpus} GPUs",
        )
    axes.set_xscale("log")
    lengths = sorted({row.trial_seconds for row in rows})
    axes.set_xticks(lengths, [f"{seconds:g}" for seconds in lengths])
    axes.set_xticks([], minor=True)
    axes.set_ylim(0, 100)
    axes.set_xlabel("seconds of a trial's training")
    axes.set_ylabel("time of the GPUs spent training (%)")
    axes.grid(color=FAINT, linewidth=0.6)
    axes.legend(frameon=False, fontsize=10, loc="lower right")
    axes.set_title("Shorter trials")


def _draw_bars(axes: Axes, rows: Sequence[Row]) -> None:
    left = [0.0] * len(rows)
    for name, colour in zip(SHARES, (COLOURS[0], COLOURS[2], COLOURS[6], COLOURS[3], COLOURS[1], FAINT), strict=True):
        widths = [100 * row.outcome.share(name) for row in rows]
        axes.barh(range(len(rows)), widths, left=left, color=colour, edgecolor=TEXT, linewidth=0.4, label=name)
        left = [before + width for before, width in zip(left, widths, strict=True)]
    axes.set_yticks(range(len(rows)), [f"{row.plan} ({row.outcome.trials} trials)" for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    axes.set_xlabel(f"time of {rows[0].gpus} GPUs (%)")
    axes.legend(frameon=False, ncols=len(SHARES), loc="lower center", bbox_to_anchor=(0.4, 1.0))
