"""How long the searches on Breakfast take on many GPUs, simulated: ``python -m studies.scale``, ``docs/scale.md``."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from analysis.plots.figure_file import write_figure
from common.atomic_file import write_text
from common.bad_input import BadInput, KnownFailure, run_command
from common.command_parser import command_parser
from studies.scale.breakfast import AS_THEY_ARE, CHANGED, TRIAL_SECONDS, Kind
from studies.scale.check import Checked, beyond_bound, check_all, text_of
from studies.scale.comparisons import do_nothing
from studies.scale.costs import Costs
from studies.scale.figure import draw_scale
from studies.scale.real_run import measured
from studies.scale.table import rows_of, text_table
from trials.table import csv_text

GPUS = (1, 8, 64, 512)
LENGTHS = (10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0)
"""Seconds of a genetic search's trial, for the figure of shorter trials."""
MEASURED_TRIALS, MEASURED_WORKERS = 200, 4


def trial_seconds(words: Sequence[str]) -> dict[Kind, float]:
    """``TRIAL_SECONDS``, but for ``KIND=SECONDS``. Raises BadInput for an unknown kind, and for no positive number."""
    seconds = dict(TRIAL_SECONDS)
    for word in words:
        name, _, text = word.partition("=")
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if name not in get_args(Kind) or not 0 < value < math.inf:
            raise BadInput(f"--trial-seconds {word}: expected KIND=SECONDS, KIND one of {', '.join(get_args(Kind))}")
        seconds[name] = value  # type: ignore[index]
    return seconds


def study(seconds: dict[Kind, float], output: Path | None) -> None:
    """Simulate all plans; print the table, and write it with the figure."""
    costs = Costs()
    as_they_are, changed = rows_of(AS_THEY_ARE, GPUS, costs, seconds), rows_of(CHANGED, GPUS, costs, seconds)
    print(text_table([*as_they_are, *changed]))
    if output is None:
        return
    genetic = [plan for plan in (*AS_THEY_ARE, *CHANGED) if plan.kind == "genetic"]
    short = [row for each in LENGTHS for row in rows_of(genetic, GPUS[-2:], costs, {**seconds, "genetic": each})]
    write_text(output / "plans.csv", csv_text([row.describe() for row in (*as_they_are, *changed)]))
    write_text(output / "shorter_trials.csv", csv_text([row.describe() for row in short]))
    write_figure(draw_scale(as_they_are, changed, short), output.with_suffix(".svg"))


def check(output: Path | None) -> None:
    """Compare with real experiments; print and write each as soon as it has ended.

    Raises:
        KnownFailure: one could not be run, or its median is too far off.
    """
    checked: list[Checked] = []
    for each in check_all():
        checked.append(each)
        print(each.describe(), flush=True)
        if output is not None:
            write_text(output / "check.csv", csv_text([row.describe() for row in checked]))
    print(text_of(checked))
    if far := beyond_bound(checked):
        raise KnownFailure(f"simulated over real is too far from 1: {'; '.join(far)}")


def measure() -> None:
    """Print what NNI's manager takes for each of its things, on average, in an experiment that does nothing else."""
    with tempfile.TemporaryDirectory(prefix="scale-") as name:
        run = do_nothing(MEASURED_TRIALS, MEASURED_WORKERS).run(Path(name))
    for name, seconds in measured(run.stopwatch).items():
        print(f"{name:<12}{1000 * seconds:>9.3f} ms")


def main() -> None:
    """Simulate the searches on Breakfast on 1 to 512 GPUs, and print how long they take and what limits them."""
    parser = command_parser("studies.scale", main.__doc__, "--trial-seconds genetic=60 local=45")
    parser.add_argument(
        "--trial-seconds",
        nargs="+",
        default=[],
        metavar="KIND=SECONDS",
        help=f"of a trial's training on one GPU (default: {TRIAL_SECONDS}, of an earlier version on an H100)",
    )
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="for the tables as CSV; the figure is FOLDER.svg")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="compare with real NNI experiments on this machine instead")
    what.add_argument("--measure", action="store_true", help="measure what NNI's manager costs here instead")
    arguments = parser.parse_args()
    if (arguments.check or arguments.measure) and arguments.trial_seconds:
        raise BadInput("--trial-seconds is for the simulation alone: leave out --check and --measure")
    if arguments.check:
        check(arguments.output)
    elif arguments.measure:
        measure()
    else:
        study(trial_seconds(arguments.trial_seconds), arguments.output)


if __name__ == "__main__":
    run_command(main)
