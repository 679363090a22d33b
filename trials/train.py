"""Train one structure from scratch and score it on the test split, once, at the end."""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import mean
from typing import Any

from common.atomic_file import write_json
from common.bad_input import BadInput, run_command
from common.command_parser import command_parser
from nas_space.structure_files import read_structure
from trials.data.arguments import Task, held_out, split_number
from trials.table import metrics_table
from trials.training.arguments import training_settings
from trials.training.device import find_device, handle_out_of_memory
from trials.training.event_files import add_tensorboard_argument, event_folder
from trials.training.final_training import FinalTraining
from trials.training.metrics import METRICS
from trials.training.threads import choose_threads
from trials.trial_arguments import add_run_arguments


@handle_out_of_memory()
def main() -> None:
    """Train one structure from scratch on a split (or on all), and score it once on the test videos."""
    parser = command_parser(
        "trials.train", main.__doc__, "--dataset 50salads --split 1 --structure best.json --output runs/best"
    )
    parser.add_argument("--split", required=True, help="number of a split, or 'all'")
    parser.add_argument("--structure", required=True, help="a structure file of any dialect, or 'hand'")
    parser.add_argument(
        "--output", type=Path, required=True, help="folder for model.pt, metrics.json, log.csv and predictions"
    )
    parser.add_argument("--keep", choices=("last", "best"), default="last", help="the epoch whose weights to keep")
    add_run_arguments(parser, validation_fraction=0.0)
    add_tensorboard_argument(parser, "OUTPUT/tensorboard")
    arguments = parser.parse_args()
    settings = training_settings(arguments)
    device = find_device(arguments.device)
    structure = read_structure(arguments.structure, arguments.network)
    task = Task.from_arguments(arguments)
    if arguments.keep == "best" and arguments.validation_fraction == 0:
        raise BadInput("--keep best needs validation videos: give --validation-fraction, 0.2 say")

    def train(split: int, output: Path) -> dict[str, Any]:
        train_videos, test_videos = task.dataset.split(split)
        train_videos, validation_videos = held_out(arguments, train_videos)
        choose_threads(arguments, task.dataset, train_videos)
        videos = train_videos, validation_videos, test_videos
        training = FinalTraining(task, split, structure, settings, *videos, arguments.keep)
        return training.run(output, device, event_folder(arguments, lambda: output / "tensorboard"))

    if arguments.split != "all":
        rows = {f"split {arguments.split}": train(split_number(arguments.split), arguments.output)["test"]}
    else:
        rows = {}
        for split in task.dataset.splits():
            task.dataset.split(split)
        for split in task.dataset.splits():
            print(f"split {split}", file=sys.stderr)
            rows[f"split {split}"] = train(split, arguments.output / f"split{split}")["test"]
        rows["mean"] = {name: mean(row[name] for row in rows.values()) for name in METRICS}
        write_json(arguments.output / "metrics.json", {"test": rows})
    print(metrics_table(rows, METRICS))


if __name__ == "__main__":
    run_command(main)
