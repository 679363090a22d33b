"""What NNI starts for every iteration of a chain of the local search: train a branched network, report it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from common.bad_input import BadInput, run_command
from nas_space.branching import Branching
from trials.nni_trial import NniTrial, experiment_folder
from trials.training.event_files import event_folder, scalar_writer
from trials.training.local_iteration import BranchedTraining
from trials.training.metrics import with_objective
from trials.training.training import find_device
from trials.trial_arguments import LOCAL_TRIAL


def main() -> None:
    """Run one iteration; every failure is reported to the tuner before the process fails."""
    with NniTrial.run(LOCAL_TRIAL) as (arguments, trial):
        if trial.channel.added_by_hand:
            raise BadInput("an iteration of a chain cannot be added by hand: it continues the previous one")
        parameters = trial.parameters
        structure = trial.structure()
        arguments.seed = parameters["seed"]
        branching = Branching.from_text(parameters["_branching"])
        training = BranchedTraining.from_arguments(arguments, parameters["split"], branching)
        epochs: list[dict[str, float]] = []

        def report(metrics: dict[str, float]) -> None:
            epochs.append(with_objective(metrics, arguments.objective))
            trial.report_epoch(epochs[-1])
            print(f"epoch {len(epochs)}: {epochs[-1]}", file=sys.stderr, flush=True)

        folder = chain_folder(arguments.chains, parameters)
        device = find_device(arguments.device)
        add_scalars = scalar_writer(event_folder(arguments, trial.tensorboard_folder))
        videos = training.train_videos + training.validation_videos
        record = trial.data_record(training.task.dataset, training.split, videos)
        record.note()
        probabilities = training.train(structure, parameters["iteration"], folder, device, report, add_scalars)
        record.note()
        trial.report(metrics=epochs[-1], epochs=epochs, probabilities=probabilities)


def chain_folder(chains: Path | None, parameters: dict[str, Any]) -> Path:
    """The folder of a chain's checkpoints."""
    if chains is None:
        chains = experiment_folder() / "chains"
    return chains / f"chain_{parameters['chain']}"


if __name__ == "__main__":
    run_command(main)
