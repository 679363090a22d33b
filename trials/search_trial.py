"""What NNI starts for every structure of a search: train it briefly, judge it on validation videos, report."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Mapping, Sequence

from nas_space.bad_input import BadInput, run_command
from nas_space.shape import MSTCNShape
from nas_space.structure import Structure
from trials.data_arguments import (
    SEARCH_FRACTION,
    Task,
    add_dataset_arguments,
    add_holdout_arguments,
    held_out,
    split_number,
)
from trials.event_files import add_tensorboard_argument, event_folder, scalar_writer, scalars_of
from trials.metrics import METRICS, objective_value
from trials.nni_channel import NniTrial
from trials.short_training import short_training
from trials.threads import choose_threads
from trials.training import find_device
from trials.training_arguments import add_training_arguments, training_settings

SEARCH_EPOCHS = 5
"""Epochs of a trial in the paper's global search (Gao et al., CVPR 2021, section 4)."""


def train_and_report(arguments: argparse.Namespace, structure: Structure, trial: NniTrial) -> list[dict[str, float]]:
    """Train one structure and report to NNI after each epoch; returns what was reported, epoch by epoch."""
    settings = training_settings(arguments)
    add_scalars = scalar_writer(event_folder(arguments, trial.tensorboard_folder))
    device = find_device(arguments.device)
    task = Task.from_arguments(arguments)
    train_videos, test_videos = task.dataset.split(split_number(arguments.split))
    if arguments.select_on == "test":
        warnings.warn(
            "--select-on test: structures are chosen on the TEST videos, as the paper did; "
            "their test scores are no estimate of how good they are on new videos",
            stacklevel=1,
        )
        judged = test_videos
    else:
        train_videos, judged = held_out(arguments, train_videos)
    choose_threads(arguments, task.dataset, train_videos)
    print(f"seed {settings.seed}", file=sys.stderr)
    epochs: list[dict[str, float]] = []
    for row in short_training(task, structure, settings, train_videos, judged, device):
        metrics = {name: row[name] for name in METRICS}
        epochs.append({"default": objective_value(metrics, arguments.objective), **metrics})
        trial.report_epoch(epochs[-1])
        epoch = len(epochs)
        add_scalars(epoch, scalars_of(row, arguments.select_on))
        print(f"epoch {epoch}/{settings.epochs}: loss {row['loss']:.4f}, {epochs[-1]}", file=sys.stderr, flush=True)
        if epoch == trial.parameters.get("_stop_epoch") and _is_below(trial.parameters["_stop_below"], epochs):
            print(f"stopped: below {trial.parameters['_stop_below']}, the median of the others", file=sys.stderr)
            break
    return epochs


def _is_below(needed: float, epochs: Sequence[Mapping[str, float]]) -> bool:
    return max(epoch["default"] for epoch in epochs) < needed


def parse_arguments() -> argparse.Namespace:
    """The options, as the ``trialCommand`` of an experiment's YAML file gives them."""
    parser = argparse.ArgumentParser(
        prog="python -m trials.search_trial",
        description=__doc__,
        epilog="example (in a YAML file): trialCommand: python3 -m trials.search_trial --dataset gtea --split 1",
    )
    parser.add_argument("--split", required=True, help="number of a split")
    parser.add_argument(
        "--objective", choices=(*METRICS, "mean"), default="f1@10", help="what the search maximises (mean: of all five)"
    )
    parser.add_argument(
        "--select-on",
        choices=("validation", "test"),
        default="validation",
        help="judge on videos held out of the training split, or on the test videos as the paper did",
    )
    MSTCNShape.add_arguments(parser)
    add_dataset_arguments(parser)
    add_holdout_arguments(parser, fraction=SEARCH_FRACTION)
    add_training_arguments(parser, epochs=SEARCH_EPOCHS)
    add_tensorboard_argument(parser, "where NNI's TensorBoard button finds them")
    arguments = parser.parse_args()
    if arguments.validation_fraction == 0:
        raise BadInput("a search needs validation videos: --validation-fraction must be above 0")
    return arguments


def main() -> None:
    """Run one trial. Whatever goes wrong is reported to the tuner with its reason before the process fails."""
    arguments = parse_arguments()
    trial = NniTrial.receive(arguments)
    with trial.reporting_failures():
        structure = Structure.from_labels(trial.dilations(), MSTCNShape.from_arguments(arguments))
        epochs = train_and_report(arguments, structure, trial)
        trial.report(metrics=epochs[-1], epochs=epochs)


if __name__ == "__main__":
    run_command(main)
