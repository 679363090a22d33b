"""What NNI starts for every seed of the differentiable global search: one training, which finds a structure."""

from __future__ import annotations

import sys

from common.bad_input import BadInput, run_command
from nas_space.budget import Budget
from nas_space.network import POWERS_OF_TWO
from nni_api.trial_report import CANDIDATES, LIMITS
from trials.differentiable_search import SupernetTraining
from trials.nni_trial import NniTrial, experiment_folder
from trials.training.device import find_device
from trials.training.event_files import event_folder, scalar_writer, scalars_of
from trials.training.metrics import with_objective
from trials.trial_arguments import CANDIDATES_TWICE, DIFFERENTIABLE_TRIAL


def main() -> None:
    """Run one search; every failure is reported to the tuner before the process fails."""
    with NniTrial.run(DIFFERENTIABLE_TRIAL) as (arguments, trial):
        if trial.channel.added_by_hand:
            raise BadInput("a search cannot be added by hand: start an experiment with its seed in classArgs")
        arguments.seed = trial.parameters["seed"]
        candidates = trial.parameters.get(CANDIDATES)
        if candidates is not None and arguments.candidates is not None:
            raise BadInput(CANDIDATES_TWICE)
        arguments.candidates = arguments.candidates or POWERS_OF_TWO  # of experiments of earlier versions
        search = SupernetTraining.from_arguments(arguments, candidates, Budget.parse(trial.parameters.get(LIMITS)))
        add_scalars = scalar_writer(event_folder(arguments, trial.tensorboard_folder))

        def report(row: dict[str, float]) -> None:
            epoch = with_objective(row, arguments.objective)
            trial.report_epoch(epoch)
            add_scalars(int(row["epoch"]), scalars_of(row))
            print(f"epoch {row['epoch']}: {epoch}", file=sys.stderr, flush=True)

        # In the folder of the experiment, not of the trial: a repeated trial resumes.
        folder = experiment_folder() / "searches" / f"seed_{arguments.seed}"
        videos = search.train_videos + search.validation_videos
        record = trial.data_record(search.task.dataset, search.split, videos)
        record.note()
        result = search.run(folder, find_device(arguments.device), report)
        record.note()
        trial.report(
            structure=result.structure.by_label(),
            metrics=with_objective(result.metrics, arguments.objective),
            epochs=[with_objective(row, arguments.objective) for row in result.epochs],
            probabilities=result.probabilities,
        )


if __name__ == "__main__":
    run_command(main)
