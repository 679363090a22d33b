"""The options that the commands with a run's folder share: data set, YAML files, splits, seeds, name."""

from __future__ import annotations

import argparse
from pathlib import Path

from common.bad_input import BadInput
from experiments.run_data import share_data_folders
from trials.data.arguments import split_number
from trials.data.dataset import find_dataset


def add_run_options(parser: argparse.ArgumentParser, split: str) -> None:
    """Add the options; ``split``: the default of ``--split``."""
    parser.add_argument("--dataset", required=True, metavar="NAME", help="folder of the data set in the data root")
    parser.add_argument(
        "--template", metavar="NAME", help="use experiments/NAME_*.yml (default: those of the data set, else new ones)"
    )
    parser.add_argument("--split", default=split, help="number of a split, or 'all' (default: %(default)s)")
    parser.add_argument("--data-root", type=Path, help="folder of data sets (default: $G2L_DATA_ROOT, else ./data)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of final trainings (default: 0 1 2)")
    parser.add_argument("--name", help="the run's folder below runs/ (default: the data set's name)")


def folder_and_splits(arguments: argparse.Namespace) -> tuple[Path, list[int]]:
    """The run's folder and the splits, from those options; also sets the data root for this process and its own.

    Raises:
        BadInput: the name, the seeds, the data set or a split is wrong.
    """
    name = arguments.name or arguments.dataset
    if Path(name).name != name or name.startswith("."):
        raise BadInput(f"--name must be a plain folder name, not {name!r}")
    share_data_folders(arguments.data_root)
    dataset = find_dataset(arguments.dataset)
    splits = dataset.splits() if arguments.split == "all" else [split_number(arguments.split)]
    folder = Path("runs").resolve() / name
    if "{split}" in str(folder):
        raise BadInput(f"{folder}: {{split}} stands for the number of a split; choose another --name or folder")
    for split in splits:
        dataset.split(split)
    if min(arguments.seeds) < 0 or len(set(arguments.seeds)) != len(arguments.seeds):
        raise BadInput(f"--seeds must be different whole numbers of at least 0, not {arguments.seeds}")
    return folder, splits
