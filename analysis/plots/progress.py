"""Progress of a search: every trial and the best so far, against trials, epochs or seconds; generations or chains."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.history import Evaluation, History, find_experiment, read_history
from analysis.plots.colours import COLOURS, ERROR, FAINT, TEXT
from analysis.plots.figure_file import legend_below, new_figure, short

Against = Literal["trials", "epochs", "seconds"]
SPENT: dict[Against, str] = {
    "trials": "trials, in the order in which they ended",
    "epochs": "epochs trained in all trials",
    "seconds": "device seconds of all successful trials (0 where not reported)",
}
"""What the horizontal axis counts."""
MARKERS = "osD^vP"
MOST_LABELS = 20
"""Most generations or chains that are labelled."""


@dataclass(frozen=True)
class Course:
    """The evaluations of a search in chronological order."""

    evaluations: list[Evaluation]
    spent: list[float]
    """(evaluations,): trials, epochs or seconds spent when each was recorded, including its own."""
    best: list[float]
    """(evaluations,): the best objective so far, in percent."""
    failed: list[float]
    """(failures,): the same for failed trials, whose own epochs and seconds are not recorded."""

    @classmethod
    def of(cls, history: History, against: Against) -> Course:
        """The course of a search. Raises BadInput where no trial succeeded."""
        history.best()
        events: list[tuple[float, Evaluation | None]] = [(e.time, e) for e in history.evaluations]
        events += [(failure["time"], None) for failure in history.failures]
        evaluations: list[Evaluation] = []
        spent: list[float] = []
        failed: list[float] = []
        total: float = 0
        for _, evaluation in sorted(events, key=lambda event: event[0]):
            if against == "trials":
                total += 1
            elif evaluation is not None:
                total += len(evaluation.epochs) if against == "epochs" else evaluation.seconds or 0
            if evaluation is None:
                failed.append(total)
            else:
                evaluations.append(evaluation)
                spent.append(total)
        best = list(accumulate((evaluation.metrics["default"] for evaluation in evaluations), max))
        return cls(evaluations, spent, best, failed)

    def generations(self) -> dict[int, float]:
        """What was spent when the first structure of each generation was evaluated."""
        starts: dict[int, float] = {}
        for evaluation, spent in zip(self.evaluations, self.spent, strict=True):
            generation = evaluation.about.get("generation")
            if type(generation) is int:
                starts.setdefault(generation, spent)
        return starts

    def chains(self) -> dict[int, list[int]]:
        """The indices of each chain's evaluations, by chain, in the order of its iterations."""
        chains: dict[int, list[int]] = {}
        for index, evaluation in enumerate(self.evaluations):
            chain, iteration = (evaluation.about.get(name) for name in ("chain", "iteration"))
            if type(chain) is type(iteration) is int:
                chains.setdefault(chain, []).append(index)
        return {chain: chains[chain] for chain in sorted(chains)}


def draw_progress(name: str, history: History, against: Against) -> Figure:
    """The figure of one search. Raises BadInput where no trial succeeded."""
    course = Course.of(history, against)
    chains = course.chains()
    figure = new_figure(8.5 if chains else 5.5)
    panels = figure.subplots(2 if chains else 1, squeeze=False)[:, 0]
    axes: Axes = panels[0]
    values = [evaluation.metrics["default"] for evaluation in course.evaluations]
    look: dict[str, Any] = {"linestyle": "", "marker": "o", "markersize": 6, "zorder": 3}
    look |= {"markeredgecolor": TEXT, "markeredgewidth": 0.6}  # visible on a dark page, too
    in_chains = {index for indices in chains.values() for index in indices}
    others = [index for index in range(len(values)) if index not in in_chains]
    handles: list[Artist] = []
    labels: list[str] = []
    (best,) = axes.plot(course.spent, course.best, drawstyle="steps-post", color=TEXT, linewidth=2, zorder=2)
    handles.append(best)
    labels.append("best so far")
    if others:
        (points,) = axes.plot([course.spent[i] for i in others], [values[i] for i in others], color=COLOURS[0], **look)
        handles.append(points)
        labels.append("trial")
    for number, (chain, indices) in enumerate(chains.items()):
        style = {**look, "color": COLOURS[number % 12], "marker": MARKERS[number // 12 % len(MARKERS)]}
        spent, scores = [course.spent[i] for i in indices], [values[i] for i in indices]
        axes.plot(spent, scores, **style)
        iterations = [course.evaluations[i].about["iteration"] for i in indices]
        (line,) = panels[1].plot(iterations, scores, **{**style, "linestyle": "-"})
        if number < MOST_LABELS:
            about = course.evaluations[indices[0]].about
            start = ", ".join(f"{key} {about[key]}" for key in ("split", "seed") if key in about)
            handles.append(line)
            labels.append(f"chain {chain} ({start})" if start else f"chain {chain}")
    if course.failed:
        axes.plot(
            *(course.failed, [0.03] * len(course.failed)),
            **{
                **look,
                "marker": "x",
                "markeredgecolor": ERROR,
                "markeredgewidth": 2,
                "transform": axes.get_xaxis_transform(),
            },
        )
        handles.append(axes.lines[-1])
        labels.append("failed trial")
    _mark_generations(axes, course.generations())
    axes.set_xlabel(SPENT[against])
    for panel in panels:
        panel.set_ylabel("objective, by last epochs (%)")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(axis="y", color=FAINT, linewidth=0.6)
        panel.set_axisbelow(True)
    if chains:
        panels[1].set_xlabel("iteration of the chain")
    kind = "local search" if chains else "global search"
    state = "finished" if history.done else "not finished"
    counts = f"{len(values)} trials succeeded, {len(course.failed)} failed"
    axes.set_title(f"{short(name)}: {kind}, {counts}, {state}; best {course.best[-1]:.1f} %")
    legend_below(figure, handles, labels)
    return figure


def _mark_generations(axes: Axes, starts: dict[int, float]) -> None:
    """A line where each generation starts, and its number above, as far as there is room."""
    if not starts:
        return
    for start in starts.values():
        axes.axvline(start, color=FAINT, linewidth=1, zorder=1)
    first = {start: generation for generation, start in reversed(starts.items())}  # of those with the same start
    labelled = dict(sorted(first.items())[:: -(-len(first) // MOST_LABELS)])
    top = axes.secondary_xaxis("top")
    top.set_xticks(list(labelled), [str(generation) for generation in labelled.values()])
    top.set_xlabel("generation (at its first evaluated structure)")
    top.spines["top"].set_visible(False)


def search_folder(search: str) -> tuple[str, Path]:
    """The name of a search, and the folder of its records, from an experiment's id or a folder of records."""
    folder = Path(search)
    if not folder.is_dir():
        return search, find_experiment(search)
    if (folder / "checkpoint").is_dir():
        folder /= "checkpoint"
    resolved = folder.resolve()
    return (resolved.parent if resolved.name == "checkpoint" else resolved).name, folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``progress``."""
    parser.add_argument("search", metavar="EXPERIMENT_ID", help="as nnictl prints it; or a folder with records.jsonl")
    parser.add_argument("--against", choices=tuple(SPENT), default="trials", help="(default: %(default)s)")


def figure_of(arguments: argparse.Namespace) -> Figure:
    """The figure that the options of ``progress`` ask for. Raises BadInput where there are no records."""
    name, folder = search_folder(arguments.search)
    return draw_progress(name, read_history(folder), arguments.against)
