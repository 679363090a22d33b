"""Make one of the studied data sets from a clone of its public repository; docs/data.md describes each."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from common.bad_input import BadInput, run_command
from common.command_parser import command_parser
from experiments.demo_data import write_dataset
from studies import eye_movements, fifty_salads
from studies.clone import MadeDataset, Repository


@dataclass(frozen=True)
class Source:
    """The origin of a data set."""

    repository: Repository
    read: Callable[[Path], MadeDataset]
    """Reads it from a clone of the repository."""


SOURCES = {
    "50salads_mid_svm": Source(
        fifty_salads.REPOSITORY, partial(fifty_salads.read_fifty_salads, granularity=fifty_salads.MID)
    ),
    "50salads_eval_svm": Source(
        fifty_salads.REPOSITORY, partial(fifty_salads.read_fifty_salads, granularity=fifty_salads.EVAL)
    ),
    "hmr": Source(eye_movements.REPOSITORY, eye_movements.read_eye_movements),
}


def require_free(output: Path) -> None:
    """Raises BadInput unless ``output`` is missing or an empty folder."""
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise BadInput(f"{output}: exists and is not an empty folder: remove it, or choose another --output")


def write_whole(made: MadeDataset, output: Path) -> None:
    """Write a data set in the standard layout as ``output``: all of it, or nothing if that fails."""
    output = output.resolve()
    temporary = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    try:
        write_dataset(temporary, made.videos, made.classes, made.splits)
        temporary.rename(output)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def main() -> None:
    """Make a data set in the standard layout from a clone of its public repository."""
    parser = command_parser("studies.public_data", main.__doc__, "hmr --repository OEMC --output data/hmr")
    parser.add_argument("name", choices=SOURCES, metavar="NAME", help=f"the data set: {', '.join(SOURCES)}")
    parser.add_argument("--repository", type=Path, required=True, metavar="CLONE", help="folder of the clone")
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="the data set's own folder, which must not exist yet"
    )
    arguments = parser.parse_args()
    source = SOURCES[arguments.name]
    require_free(arguments.output)
    made = source.read(arguments.repository)
    write_whole(made, arguments.output)
    frames = sum(len(labels) for _, labels in made.videos.values())
    print(
        f"{arguments.output}: {len(made.videos)} videos, {frames} frames, {len(made.classes)} classes, "
        f"{len(made.splits)} splits, from {source.repository.address} (licence: {source.repository.licence})"
    )


if __name__ == "__main__":
    run_command(main)
