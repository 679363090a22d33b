"""Idle time of NNI's workers between the end of one trial and the start of the next one."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from statistics import quantiles

from analysis.history import find_experiment
from common.bad_input import BadInput, run_command
from common.command_parser import command_parser
from common.read_file import require_file

Event = tuple[float, str]
"""(seconds, state): a trial starts (RUNNING), or succeeds (SUCCEEDED)."""


def gaps(events: Sequence[Event]) -> list[float]:
    """Seconds from each end to the next start, first in, first out.

    Trials submitted before any has ended follow no end, and ends after the last start have no successor.
    """
    waiting: list[float] = []
    found = []
    for time, state in sorted(events):
        if state == "SUCCEEDED":
            waiting.append(time)
        elif waiting:
            found.append(time - waiting.pop(0))
    return found


def read_events(database: Path) -> list[Event]:
    """Starts and ends of an experiment's trials, from NNI's database."""
    require_file(database, "database of NNI")
    query = "select timestamp, event from TrialJobEvent where event in ('RUNNING', 'SUCCEEDED')"
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return [(milliseconds / 1000, state) for milliseconds, state in connection.execute(query)]
    except (sqlite3.Error, TypeError, UnicodeDecodeError) as fault:  # the last of a message that names what is damaged
        raise BadInput(f"{database}: not NNI's database, or damaged: {fault}") from None


def main() -> None:
    """Print the idle time of workers between two trials of an experiment in which no trial failed."""
    parser = command_parser("benchmarks.trial_gap", main.__doc__, "tn6rj5h3")
    parser.add_argument("experiment", metavar="EXPERIMENT_ID", help="as nnictl prints it")
    arguments = parser.parse_args()
    found = gaps(read_events(find_experiment(arguments.experiment).parent / "db" / "nni.sqlite"))
    if len(found) < 2:
        raise BadInput(f"{arguments.experiment}: fewer than two trials followed another one")
    lower, median, upper = quantiles(found, n=4)
    print(
        f"{len(found)} gaps: median {median:.2f} s, quartiles {lower:.2f} and {upper:.2f} s, longest {max(found):.2f} s"
    )


if __name__ == "__main__":
    run_command(main)
