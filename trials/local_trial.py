"""What NNI starts for every iteration of a chain of the local search: train a branched network, report it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from common.bad_input import BadInput, run_command
from nas_space.branching import Branching
from nas_space.network import Network
from nas_space.structure import Structure
from nni_api.trial_report import EARLIER
from trials.nni_trial import NniTrial, experiment_folder
from trials.training.device import find_device
from trials.training.event_files import event_folder, scalar_writer
from trials.training.local_iteration import BranchedTraining
from trials.training.metrics import with_objective
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
        record = trial.data_record(training.task.dataset, training.split, training.videos)
        record.note()
        earlier = earlier_structures(parameters, structure.network)
        iteration = parameters["iteration"]
        probabilities = training.train(structure, iteration, folder, device, report, add_scalars, earlier, record)
        trial.report(metrics=epochs[-1], epochs=epochs, probabilities=probabilities)


def earlier_structures(parameters: dict[str, Any], network: Network) -> list[Structure] | None:
    """The structures of all earlier iterations of the chain; None in parameters of earlier versions.

    Raises:
        BadInput: one is missing, or is not of this network.
    """
    if EARLIER not in parameters:
        return None
    texts = parameters[EARLIER]
    try:
        dilations = [texts[str(number)].split() for number in range(parameters["iteration"])]
        return [Structure(tuple(map(int, of_iteration)), network) for of_iteration in dilations]
    except (KeyError, TypeError, AttributeError, ValueError) as fault:
        raise BadInput(f"not the structures of all earlier iterations: {texts!r} ({fault})") from None


def chain_folder(chains: Path | None, parameters: dict[str, Any]) -> Path:
    """The folder of a chain's checkpoints."""
    if chains is None:
        chains = experiment_folder() / "chains"
    return chains / f"chain_{parameters['chain']}"


if __name__ == "__main__":
    run_command(main)
