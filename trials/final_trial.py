"""What NNI starts for every final training: one structure, one split, one seed, the full schedule.

With ``--validation-fraction``, videos of the training split are held out and scored in place of the test videos, others
than a search with the same options holds out: such trainings may choose among structures.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from common.bad_input import BadInput, run_command
from nas_space.structure_files import read_structure
from nas_space.structure_names import structure_file, training_folder
from trials.data.arguments import Task, held_out
from trials.nni_trial import NniTrial
from trials.training.arguments import training_settings
from trials.training.device import find_device
from trials.training.event_files import event_folder
from trials.training.final_training import FinalTraining
from trials.training.metrics import with_objective
from trials.training.threads import choose_threads
from trials.trial_arguments import FINAL_TRIAL


def main() -> None:
    """Train what the parameters ``structure``, ``split`` and ``seed`` name; report only the metrics at the end."""
    with NniTrial.run(FINAL_TRIAL) as (arguments, trial):
        name, split, seed = _parameters(trial.parameters)
        tensorboard = event_folder(arguments, trial.tensorboard_folder)
        structure = read_structure(structure_file(name, split), arguments.network)
        task = Task.from_arguments(arguments)
        train_videos, scored_videos = task.dataset.split(split)
        if arguments.validation_fraction > 0:
            train_videos, scored_videos = held_out(arguments, train_videos, others=True)
        settings = replace(training_settings(arguments), seed=seed)
        choose_threads(arguments, task.dataset, train_videos)
        training = FinalTraining(task, split, structure, settings, train_videos, (), scored_videos, "last")
        output = arguments.output / training_folder(name, split, seed)
        record = trial.data_record(task.dataset, split, train_videos + scored_videos)
        record.note()
        metrics = training.run(output, find_device(arguments.device), tensorboard)["test"]
        record.note()
        trial.report(metrics=with_objective(metrics, arguments.objective))


def _parameters(parameters: dict[str, Any]) -> tuple[str, int, int]:
    name, split, seed = (parameters.get(key) for key in ("structure", "split", "seed"))
    if not isinstance(name, str) or type(split) is not int or type(seed) is not int:
        raise BadInput(f"a final training needs the parameters structure, split and seed, not {parameters}")
    return name, split, seed


if __name__ == "__main__":
    run_command(main)
