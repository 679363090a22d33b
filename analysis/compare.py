"""Several past searches in one table and one figure."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from analysis.plots.best_so_far import draw_best_so_far
from analysis.plots.figure_file import ENDINGS, write_figure
from analysis.report.subject import HAND, Subject
from analysis.searches import SearchRecord
from common.atomic_file import write_text
from common.bad_input import BadInput, run_command
from common.command_parser import command_parser
from nas_space.receptive_field import ReceptiveField
from trials.table import csv_text

SHOWN = {
    "search": "search",
    "kind": "kind",
    "data set": "dataset",
    "split": "split",
    "objective": "objective",
    "network": "network",
    "trials": "trials",
    "epochs": "epochs",
    "hours": "hours",
    "best": "best",
    "sees": "receptive_field",
    "test": "test",
    "hand's": "test_hand",
}
"""The columns that are printed, by heading."""


def comparable(subjects: Mapping[str, Subject]) -> dict[str, tuple[Subject, SearchRecord]]:
    """The searches of experiments and runs, by the name that tells them apart.

    Args:
        subjects: by what the user called them: ids of experiments, folders of runs, or folders of searches in them.

    Raises:
        BadInput: one of them has no search with a result.
    """
    names = [subject.name for subject in subjects.values()]
    found: dict[str, tuple[Subject, SearchRecord]] = {}
    for source, subject in subjects.items():
        if not subject.searches:
            raise BadInput(f"{source}: a run without searches; 'python -m analysis.final' compares final trainings")
        name = source if names.count(subject.name) > 1 else subject.name
        several = len(subject.splits()) > 1
        for (split, phase), search in subject.searches.items():
            where = ([f"split {split}"] if several else []) + ([phase] if subject.folder else [])
            found[" ".join([name, *where])] = (subject, search)
    return found


def comparison_row(name: str, subject: Subject, search: SearchRecord) -> dict[str, Any]:
    """What is known of one search; ``best`` is its result's objective on validation videos, at the last epoch.

    ``test`` and ``test_hand`` are the mean of the five test metrics of what it found, and of ``hand``, over the seeds
    of the final trainings on its split; None where there are none.
    """
    cost, structure = search.cost(), search.best()
    seen = ReceptiveField.of(structure).network
    return {
        "search": name,
        "experiment": search.experiment,
        "kind": search.kind,
        "dataset": search.dataset,
        "split": search.split,
        "objective": search.objective,
        "network": str(structure.network),
        "trials": cost.trials,
        "failures": cost.failures,
        "epochs": cost.epochs,
        "hours": round(cost.hours, 4),
        "finished": search.history.done,
        "best": search.history.best()[0].metrics["default"],
        "dilations": str(structure),
        "past_frames": seen.past,
        "future_frames": seen.future,
        "receptive_field": seen.frames,
        "test": _test(subject, search.phase, search.split),
        "test_hand": _test(subject, HAND, search.split),
    }


def differences(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why the scores of rows are not of the same kind: one sentence for the data sets, one for the objectives."""
    return [
        f"the searches have different {many}: their best scores are not comparable ({', '.join(map(str, values))})"
        for name, many in (("dataset", "data sets"), ("objective", "objectives"))
        if len(values := dict.fromkeys(row[name] or "unknown" for row in rows)) > 1
    ]


def text_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The columns of ``SHOWN`` as aligned text, one search a line; a dash where nothing is known."""
    lines = [list(SHOWN), *([_cell(row[column]) for column in SHOWN.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _test(subject: Subject, structure: str, split: int) -> float | None:
    scores = [metrics["mean"] for (at, _), metrics in subject.runs.get(structure, {}).items() if at == split]
    return fmean(scores) if scores else None


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}" if value < 1 else f"{value:.1f}"
    return str(value)


def main() -> None:
    """Compare searches, running or finished: one table, and one figure of the best score so far of each."""
    parser = command_parser("analysis.compare", main.__doc__, "3kd8xyzw runs/gtea --output runs/compared")
    parser.add_argument("sources", metavar="ID|RUN", nargs="+", help="an experiment's id, or the folder of a run")
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="writes table.csv, best_so_far.png and .svg there"
    )
    arguments = parser.parse_args()
    subjects = {source: Subject.of(source) for source in arguments.sources}
    searches = comparable(subjects)
    for source, subject in subjects.items():
        for why in subject.unfinished:
            print(f"warning: {source}: left out: {why}", file=sys.stderr)
    rows = [comparison_row(name, subject, search) for name, (subject, search) in searches.items()]
    for line in differences(rows):
        print(f"warning: {line}", file=sys.stderr)
    print(text_table(rows))
    if arguments.output is None:
        return
    objectives = {row["objective"] or "objective" for row in rows}
    figure = draw_best_so_far(
        {name: search.history for name, (_, search) in searches.items()},
        objectives.pop() if len(objectives) == 1 else "each search's own objective",
    )
    write_text(arguments.output / "table.csv", csv_text(rows))
    for ending in ENDINGS:
        write_figure(figure, arguments.output / f"best_so_far{ending}")
    print(arguments.output, file=sys.stderr)


if __name__ == "__main__":
    run_command(main)
