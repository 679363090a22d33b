"""What a machine is and has, as JSON: home compares it with its own before a search starts there."""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from common.bad_input import BadInput, run_command
from common.command_parser import command_parser
from machines.gpus import read_machine
from trials.check_data import DataCheck
from trials.data.arguments import Task, add_dataset_arguments
from trials.data.dataset import Dataset

PACKAGES = ("torch", "numpy", "tqdm")
"""What a trial needs."""
DATA_OPTIONS = ("--dataset", "--data-root", "--sample-rate", "--feature-dtype", "--cache")


def facts_of(words: Sequence[str] | None = None) -> dict[str, Any]:
    """The facts of this machine.

    Args:
        words: options of ``add_dataset_arguments``, and ``--splits``; None: those of this process.
    """
    parser = command_parser("machines.facts", main.__doc__, "--dataset gtea --splits 1")
    parser.add_argument("--splits", type=int, nargs="+", required=True, help="whose videos a search reads")
    add_dataset_arguments(parser)
    arguments = parser.parse_args(words)
    machine = read_machine()
    return {
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "cores": machine.cores,
        "gpus": [asdict(gpu) for gpu in machine.gpus],
        "no_gpu": machine.why_no_gpu(),
        "clock": time.time(),
        **_data(arguments),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _data(arguments: argparse.Namespace) -> dict[str, Any]:
    """The data set, or what is wrong with it, and room for its packed features."""
    try:
        dataset = Task.from_arguments(arguments).dataset
        check = DataCheck(dataset)
        check.check_files(arguments.splits)
        if check.faults:
            more = f" (and {len(check.faults) - 1} more faults)" if len(check.faults) > 1 else ""
            return {"fault": f"{check.faults[0]}{more}"}
        room = {} if dataset.cache is None else _room(dataset)
        return {"data": str(dataset.folder), "videos": len(check.videos()), "digest": digest(check), **room}
    except (BadInput, OSError) as fault:
        return {"fault": str(fault)}


def _room(dataset: Dataset) -> dict[str, int]:
    """Bytes of packed features that are missing, and that are free for them."""
    assert dataset.cache is not None
    folder = dataset.cache.path.parent
    existing = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    return {"to_pack": dataset.cache.room_to_pack(), "free": shutil.disk_usage(existing).free}


def digest(check: DataCheck) -> str:
    """A checksum of the mapping, the lists of the splits, the labels, and the sizes of the feature files.

    What is in the feature files is compared when it is read.
    """
    dataset, whole = check.dataset, hashlib.sha256()
    for number, (train, test) in sorted(check.splits.items()):
        whole.update(json.dumps([number, train, test, dataset.classes]).encode())
    for video in check.videos():
        whole.update(dataset.label_path(video).read_bytes())
        whole.update(f"{video} {dataset.feature_path(video).stat().st_size}".encode())
    return whole.hexdigest()


def main() -> None:
    """Print what this machine is and has as JSON."""
    print(json.dumps(facts_of()))


if __name__ == "__main__":
    run_command(main)
