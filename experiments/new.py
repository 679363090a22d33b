"""Experiment files for a data set at hand: commented, with schedules and costs that fit it."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

from common.atomic_file import write_text
from common.bad_input import BadInput, run_command
from experiments.data_look import look_at
from experiments.new_texts import ROOT, Places, texts
from experiments.phases import costs_of, side_by_side
from experiments.schedules import differentiable
from nas_space.network import Network
from nas_space.networks import add_network_argument
from trials.data.dataset import check_name

EXPERIMENTS = ROOT / "experiments"
ENDINGS = ("global", "differentiable", "local", "final")
"""Of the YAML files' names, after the name of the data set."""


def experiment_files(name: str, folder: Path) -> list[Path]:
    """Where the YAML files of a data set lie in a folder, whether they are there or not."""
    return [folder / f"{name}_{ending}.yml" for ending in ENDINGS]


def write_experiments(name: str, network: Network, places: Places, data_root: Path | None = None) -> list[Path]:
    """Look at a data set and write its experiment files; what it rests on goes to stderr. No file is written over.

    Args:
        data_root: where the data set is; None: ``$G2L_DATA_ROOT``, else ``./data``.

    Returns:
        The YAML files, those that were there included.

    Raises:
        BadInput: ``trials.check_data`` refuses the data, or its name cannot be in experiment files.
    """
    look = look_at(name, data_root)
    print(f"{name}: {look.describe()}", file=sys.stderr)
    print(f"videos that stay together in validation: {look.group.describe()}", file=sys.stderr)
    # Here, because PyTorch takes seconds, in which data is refused.
    import torch

    from experiments.timed_steps import time_steps

    concurrency = side_by_side(torch.cuda.is_available())
    batch_size = differentiable(len(look.searched)).batch_size
    speeds = time_steps(network, look.dataset, look.searched, batch_size, look.candidates, concurrency)
    costs = costs_of(look, speeds, concurrency)
    for file, text in texts(look, network, costs, places).items():
        if not (places.folder / file).exists():
            write_text(places.folder / file, text)
    for ending, cost in zip(ENDINGS, (costs.genetic, costs.differentiable, costs.local, costs.final), strict=True):
        print(f"{ending + ':':<16}{cost.describe()}", file=sys.stderr)
    return experiment_files(name, places.folder)


def main() -> None:
    """Look at a data set and write its experiment files: two global searches, local search, final training."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.new",
        description=main.__doc__,
        epilog="example: python -m experiments.new mydata --data-root /data --output mydata_experiments",
    )
    parser.add_argument("name", metavar="NAME", help="folder of the data set in the data root")
    parser.add_argument("--data-root", type=Path, help="folder of data sets (default: $G2L_DATA_ROOT, else ./data)")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder of the files, which then have absolute paths (default: experiments/ of the repository)",
    )
    add_network_argument(parser)
    arguments = parser.parse_args()
    check_name(arguments.name)
    if arguments.output is None:
        places = Places(EXPERIMENTS, absolute=False)
    else:
        root = arguments.data_root or Path(os.environ.get("G2L_DATA_ROOT") or "data")
        places = Places(arguments.output.resolve(), absolute=True, data_root=root.resolve())
    spaces = [places.folder / "spaces" / f"{arguments.name}_{which}.json" for which in ("global", "local")]
    for path in (*experiment_files(arguments.name, places.folder), *spaces):
        if path.exists():
            raise BadInput(f"{path}: is there already and is not written over; remove it, or choose another --output")
    for path in write_experiments(arguments.name, arguments.network, places, arguments.data_root):
        print(path)
    root = [] if arguments.data_root is None else ["--data-root", str(arguments.data_root)]
    step = ["launch", str(places.folder / f"{arguments.name}_differentiable.yml")]
    if not places.absolute:
        step = ["pipeline", "--dataset", arguments.name, *root]
    print(f"next: g2l {shlex.join(step)}", file=sys.stderr)


if __name__ == "__main__":
    run_command(main)
