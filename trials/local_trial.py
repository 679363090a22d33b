"""What NNI starts for every iteration of a chain of the local search: train a branched network, report it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from nas_space.bad_input import BadInput, run_command
from nas_space.branches import Branching
from nas_space.shape import MSTCNShape
from nas_space.structure import Structure
from trials.data_arguments import SEARCH_FRACTION, add_dataset_arguments, add_holdout_arguments
from trials.event_files import add_tensorboard_argument, event_folder, scalar_writer
from trials.local_iteration import EPOCHS_PER_ITERATION, LocalSearch, add_local_arguments
from trials.metrics import objective_value
from trials.nni_channel import NniTrial, experiment_folder
from trials.training import find_device
from trials.training_arguments import add_training_arguments


def parse_arguments() -> argparse.Namespace:
    """The options, as the ``trialCommand`` of an experiment's YAML file gives them."""
    parser = argparse.ArgumentParser(
        prog="python -m trials.local_trial",
        description=__doc__,
        epilog="example (in a YAML file): trialCommand: python3 -m trials.local_trial --dataset gtea",
    )
    parser.add_argument("--chains", type=Path, metavar="DIR", help="checkpoints (default: in the experiment's folder)")
    MSTCNShape.add_arguments(parser)
    add_local_arguments(parser)
    add_dataset_arguments(parser)
    add_holdout_arguments(parser, fraction=SEARCH_FRACTION)
    add_training_arguments(parser, epochs=EPOCHS_PER_ITERATION)
    add_tensorboard_argument(parser, "where NNI's TensorBoard button finds them")
    return parser.parse_args()


def main() -> None:
    """Run one iteration. Whatever goes wrong is reported to the tuner with its reason before the process fails."""
    arguments = parse_arguments()
    trial = NniTrial.receive(arguments)
    with trial.reporting_failures():
        if trial.added_by_hand:
            raise BadInput("an iteration of a chain cannot be added by hand: it goes on from the one before")
        parameters = trial.parameters
        structure = Structure.from_labels(trial.dilations(), MSTCNShape.from_arguments(arguments))
        arguments.seed = parameters["seed"]
        search = LocalSearch.from_arguments(
            arguments, split=parameters["split"], branching=Branching.from_text(parameters["_branching"])
        )
        epochs: list[dict[str, float]] = []

        def note(metrics: dict[str, float]) -> None:
            epochs.append({"default": objective_value(metrics, arguments.objective), **metrics})
            trial.report_epoch(epochs[-1])
            print(f"epoch {len(epochs)}: {epochs[-1]}", file=sys.stderr, flush=True)

        folder = chain_folder(arguments.chains, parameters)
        device = find_device(arguments.device)
        add_scalars = scalar_writer(event_folder(arguments, trial.tensorboard_folder))
        probabilities = search.train(structure, parameters["iteration"], folder, device, note, add_scalars)
        trial.report(metrics=epochs[-1], epochs=epochs, probabilities=probabilities)


def chain_folder(chains: Path | None, parameters: dict[str, Any]) -> Path:
    """Where the checkpoints of a chain lie."""
    if chains is None:
        chains = experiment_folder() / "chains"
    return chains / f"chain_{parameters['chain']}"


if __name__ == "__main__":
    run_command(main)
