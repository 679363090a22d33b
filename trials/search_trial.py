"""What NNI starts for every structure of a search: train it briefly, evaluate it on validation videos, report."""

from __future__ import annotations

import argparse
import sys
import warnings

from common.bad_input import run_command
from nas_space.structure import Structure
from trials.data.arguments import Task, held_out, split_number
from trials.nni_trial import NniTrial
from trials.training.arguments import training_settings
from trials.training.device import find_device
from trials.training.epochs import short_training
from trials.training.event_files import event_folder, scalar_writer, scalars_of
from trials.training.metrics import METRICS, with_objective
from trials.training.threads import choose_threads
from trials.trial_arguments import SEARCH_TRIAL


def train_and_report(arguments: argparse.Namespace, structure: Structure, trial: NniTrial) -> list[dict[str, float]]:
    """Train one structure and report to NNI after each epoch; returns the reports."""
    settings = training_settings(arguments)
    add_scalars = scalar_writer(event_folder(arguments, trial.tensorboard_folder))
    device = find_device(arguments.device)
    task = Task.from_arguments(arguments)
    split = split_number(arguments.split)
    train_videos, test_videos = task.dataset.split(split)
    if arguments.select_on == "test":
        warnings.warn(
            "--select-on test: structures are chosen on the TEST videos, as the paper did; "
            "their test scores are no estimate of how good they are on new videos",
            stacklevel=1,
        )
        scored_videos = test_videos
    else:
        train_videos, scored_videos = held_out(arguments, train_videos)
    choose_threads(arguments, task.dataset, train_videos)
    record = trial.data_record(task.dataset, split, (*train_videos, *scored_videos))
    record.note()
    print(f"seed {settings.seed}", file=sys.stderr)
    epochs: list[dict[str, float]] = []
    for row in short_training(task, structure, settings, train_videos, scored_videos, device):
        epochs.append(with_objective({name: row[name] for name in METRICS}, arguments.objective))
        trial.report_epoch(epochs[-1])
        epoch = len(epochs)
        add_scalars(epoch, scalars_of(row, arguments.select_on))
        print(f"epoch {epoch}/{settings.epochs}: loss {row['loss']:.4f}, {epochs[-1]}", file=sys.stderr, flush=True)
    record.note()
    return epochs


def main() -> None:
    """Run one trial; every failure is reported to the tuner before the process fails."""
    with NniTrial.run(SEARCH_TRIAL) as (arguments, trial):
        epochs = train_and_report(arguments, trial.structure(), trial)
        trial.report(metrics=epochs[-1], epochs=epochs)


if __name__ == "__main__":
    run_command(main)
