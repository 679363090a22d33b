"""What NNI starts for every seed of the differentiable global search: one training, which finds a structure."""

from __future__ import annotations

import sys

from common.bad_input import BadInput, run_command
from nni_api.trial_report import CANDIDATES
from trials.differentiable_arguments import CANDIDATES_TWICE
from trials.differentiable_search import DifferentiableSearch
from trials.nni_trial import NniTrial, experiment_folder
from trials.training.event_files import event_folder, scalar_writer, scalars_of
from trials.training.metrics import objective_value
from trials.training.training import find_device
from trials.trial_arguments import DIFFERENTIABLE_TRIAL


def main() -> None:
    """Run one search. Whatever goes wrong is reported to the tuner with its reason before the process fails."""
    arguments = DIFFERENTIABLE_TRIAL.parser().parse_args()
    trial = NniTrial.receive(arguments)
    with trial.reporting_failures():
        if trial.channel.added_by_hand:
            raise BadInput("a search cannot be added by hand: start an experiment with its seed in classArgs")
        arguments.seed = trial.parameters["seed"]
        candidates = trial.parameters.get(CANDIDATES)
        if candidates is not None and arguments.candidates is not None:
            raise BadInput(CANDIDATES_TWICE)
        search = DifferentiableSearch.from_arguments(arguments, candidates)
        add_scalars = scalar_writer(event_folder(arguments, trial.tensorboard_folder))
        epochs: list[dict[str, float]] = []

        def note(row: dict[str, float]) -> None:
            epochs.append({"default": objective_value(row, arguments.objective), **row})
            trial.report_epoch(epochs[-1])
            add_scalars(int(row["epoch"]), scalars_of(row))
            print(f"epoch {row['epoch']}: {epochs[-1]}", file=sys.stderr, flush=True)

        # Of the experiment, not of the trial: one that is repeated finds what it had begun.
        folder = experiment_folder() / "searches" / f"seed_{arguments.seed}"
        videos = search.train_videos + search.validation_videos
        record = trial.data_record(search.task.dataset, search.split, videos)
        record.note()
        found = search.run(folder, find_device(arguments.device), note)
        record.note()
        trial.report(
            structure=found.structure.by_label(),
            metrics={"default": objective_value(found.metrics, arguments.objective), **found.metrics},
            epochs=[{"default": objective_value(row, arguments.objective), **row} for row in found.epochs],
            probabilities=found.probabilities,
        )


if __name__ == "__main__":
    run_command(main)
