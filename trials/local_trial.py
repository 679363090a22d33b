"""What NNI starts for every iteration of a chain of the local search: train a branched network, report it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from common.bad_input import BadInput, run_command
from nas_space.branching import Branching
from trials.nni_trial import NniTrial, experiment_folder
from trials.training.event_files import event_folder, scalar_writer
from trials.training.local_iteration import LocalSearch
from trials.training.metrics import objective_value
from trials.training.training import find_device
from trials.trial_arguments import LOCAL_TRIAL


def main() -> None:
    """Run one iteration. Whatever goes wrong is reported to the tuner with its reason before the process fails."""
    arguments = LOCAL_TRIAL.parser().parse_args()
    trial = NniTrial.receive(arguments)
    with trial.reporting_failures():
        LOCAL_TRIAL.check(arguments)
        if trial.channel.added_by_hand:
            raise BadInput("an iteration of a chain cannot be added by hand: it goes on from the one before")
        parameters = trial.parameters
        structure = trial.structure()
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
        videos = search.train_videos + search.validation_videos
        record = trial.data_record(search.task.dataset, search.split, videos)
        record.note()
        probabilities = search.train(structure, parameters["iteration"], folder, device, note, add_scalars)
        record.note()
        trial.report(metrics=epochs[-1], epochs=epochs, probabilities=probabilities)


def chain_folder(chains: Path | None, parameters: dict[str, Any]) -> Path:
    """Where the checkpoints of a chain lie."""
    if chains is None:
        chains = experiment_folder() / "chains"
    return chains / f"chain_{parameters['chain']}"


if __name__ == "__main__":
    run_command(main)
