"""A whole trial of a search, from the start of its process to its reported result, against the usual formulation.

The trials of a real NNI experiment alternate between ours and the usual one: both of ``hand``, on the same videos, with
batches of one, on one thread, evaluated after every epoch. The first of each is not counted: its cache is cold.
"""

from __future__ import annotations

import argparse
import sys
import time

import torch

from benchmarks.interleaved import Finding, print_findings, ratios
from benchmarks.real_trials import (
    process_age,
    real_trial_parser,
    run_trials,
    take_folder,
    trial_command,
    trial_number,
    write_row,
)
from common.bad_input import run_command
from trials import search_trial
from trials.data.arguments import Task, held_out
from trials.training.arguments import training_settings
from trials.trial_arguments import SEARCH_TRIAL

SPLIT = 1
OPTIONS = f"--split {SPLIT} --epochs 5 --batch-size 1 --device cpu --threads 1"


def trial() -> None:
    """Run as a trial, started by NNI: ours, or the usual one in every second trial."""
    folder = take_folder()
    if trial_number() % 2 == 0:
        search_trial.main()
    else:
        arguments = SEARCH_TRIAL.parse()
        training_settings(arguments)
        usual_trial(arguments)
    write_row(folder, {"elapsed": process_age(), "processor": time.process_time()})


def usual_trial(arguments: argparse.Namespace) -> None:
    """The usual trial, on the videos of ours."""
    from benchmarks.reference_trial import train_and_report

    torch.manual_seed(arguments.seed)
    dataset = Task.from_arguments(arguments).dataset
    train_videos, validation_videos = held_out(arguments, dataset.split(SPLIT)[0])
    train_and_report(dataset.folder, train_videos, validation_videos, arguments.epochs)


def main() -> None:
    """Measure trials of 5 epochs, ours and the usual ones, through NNI."""
    arguments = real_trial_parser("whole_trial", main.__doc__, rounds=5).parse_args()
    command = f"{trial_command('benchmarks.whole_trial', arguments)} {OPTIONS}"
    rows = run_trials(command, 2 * (arguments.rounds + 1))
    ours, usual = rows[2::2], rows[3::2]
    elapsed, processor = ([[row[kind] for row in side] for side in (usual, ours)] for kind in ("elapsed", "processor"))
    print_findings(
        [
            Finding("our trial, s", elapsed[1]),
            Finding("start to reported result: reference / ours", ratios(*elapsed)),
            Finding("the same in CPU seconds", ratios(*processor)),
        ]
    )


if __name__ == "__main__":
    run_command(trial if sys.argv[1:2] == ["trial"] else main)
