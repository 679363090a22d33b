"""Time from the start of a trial's process to its first training step, against a bare ``import torch``.

Each trial of a real NNI experiment is the search's own up to that step; then it runs a bare import in another process
for comparison. The first trial packs the feature cache and is not counted.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from typing import NoReturn

from benchmarks.interleaved import Finding, print_findings
from benchmarks.real_trials import process_age, real_trial_parser, run_trials, take_folder, trial_command, write_row
from common.bad_input import run_command
from trials import search_trial
from trials.training.training import Training

OPTIONS = "--split 1 --epochs 1 --batch-size 1 --device cpu --threads 1"
BARE = "import os, torch; os._exit(0)"
"""Without the half second of Python's shutdown."""


class FirstStep(BaseException):
    """A trial has reached its first training step; not an Exception, which it would report as a failure."""


def trial() -> None:
    """Run as a trial, started by NNI."""
    folder = take_folder()

    def first_step(*_: object) -> NoReturn:
        raise FirstStep

    Training.step = first_step  # type: ignore[assignment, method-assign]
    try:
        search_trial.main()
    except FirstStep:
        age, busy = process_age(), time.process_time()
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", BARE], check=True)
    bare = time.perf_counter() - started
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    write_row(folder, {"trial": age, "bare": bare, "busy": busy, "bare busy": usage.ru_utime + usage.ru_stime})


def main() -> None:
    """Measure the time to a trial's first training step, through NNI."""
    arguments = real_trial_parser("trial_start", main.__doc__, rounds=10).parse_args()
    command = f"{trial_command('benchmarks.trial_start', arguments)} {OPTIONS}"
    _, *rows = run_trials(command, arguments.rounds + 1)
    print_findings(
        [
            Finding("start to first step, s", [row["trial"] for row in rows]),
            Finding("bare import torch, s", [row["bare"] for row in rows]),
            Finding("the difference, s", [row["trial"] - row["bare"] for row in rows]),
            Finding("the difference in CPU seconds", [row["busy"] - row["bare busy"] for row in rows]),
        ]
    )


if __name__ == "__main__":
    run_command(trial if sys.argv[1:2] == ["trial"] else main)
