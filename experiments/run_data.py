"""The data of a run or experiment: where processes find it, and whether it has changed since the start."""

from __future__ import annotations

import os
import re
import shlex
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from common.bad_input import BadInput
from common.command_parser import CommandParser
from experiments.checks.command_check import parsed
from trials.data.arguments import Task, add_dataset_arguments
from trials.data.dataset import Dataset
from trials.data.fingerprint import DataRecord, changed_files, experiment_file, labelled_videos, read_fingerprint

FILE = re.compile(r"data-split([0-9]{1,9})-.*\.json")


def share_data_folders(data_root: Path | None = None) -> None:
    """Let checks and trials, which run in the repository's folder, find the data as this process does.

    Makes ``$G2L_DATA_ROOT`` and ``$G2L_CACHE``, which they inherit, absolute. Without a data root and without a folder
    ``data`` here, trials look in that of the repository.

    Args:
        data_root: folder of data sets; None: ``$G2L_DATA_ROOT``, else ``./data``.
    """
    named = data_root or os.environ.get("G2L_DATA_ROOT")
    if named or Path("data").is_dir():
        os.environ["G2L_DATA_ROOT"] = str(Path(named or "data").resolve())
    if cache := os.environ.get("G2L_CACHE"):
        os.environ["G2L_CACHE"] = str(Path(cache).resolve())


def dataset_of(config: dict[str, Any]) -> Dataset | None:
    """The data set of an experiment, as its trials read it; None where their command names none.

    Raises:
        BadInput: there is no such data set, or an option of it is faulty.
    """
    command = config.get("trialCommand")
    if not isinstance(command, str):
        return None
    try:
        words = shlex.split(command)
    except ValueError as fault:
        raise BadInput(f"trialCommand: {command!r} cannot be read: {fault}") from None
    if not any(word.split("=")[0] == "--dataset" for word in words):
        return None
    parser = CommandParser(add_help=False)
    add_dataset_arguments(parser)
    return Task.from_arguments(parsed(lambda known: parser.parse_known_args(known)[0], words, "trialCommand")).dataset


def require_same_run_data(
    folder: Path, configs: Iterable[dict[str, Any]], splits: Sequence[int], started: bool = False
) -> None:
    """Make sure that the data of a run has not changed since its start; record its fingerprint where there is none.

    With a cache, features that are not packed yet are packed now; without one, their files are read.

    Args:
        folder: of the run.
        configs: of its steps.
        started: whether a step has started; then a missing fingerprint is warned of.

    Raises:
        ChangedData: it has; the message names the file.
        BadInput: the data is faulty.
    """
    if started and not any(folder.glob("data-*.json")):
        warn_of_no_fingerprint(str(folder))
    datasets = {(each.sample_rate, each.feature_dtype): each for each in map(dataset_of, configs) if each is not None}
    for dataset in datasets.values():
        for split in splits:
            train, test = dataset.split(split)
            since, advice = f"{folder} was started", "restore it, or choose another --name"
            file = experiment_file(folder, dataset, split)
            DataRecord(dataset, split, train + test, since, advice, file).note(unread=True)


def other_data_of_step(folder: Path, experiment: Path) -> str | None:
    """How the data that a step's trials read differs from the run's, as it may change while NNI starts them; None: it
    does not.

    Args:
        folder: of the run.
        experiment: folder of the step's experiment.

    Raises:
        BadInput: a fingerprint is damaged.
    """
    for path in sorted(experiment.glob("data-*.json")):
        if not (folder / path.name).exists():
            continue
        changed = changed_files(read_fingerprint(folder / path.name), read_fingerprint(path))
        if changed:
            return f"the trials read another {changed[0]} than {folder} started with"
    return None


def require_same_experiment_data(experiment: str, folder: Path, config: dict[str, Any], has_results: bool) -> None:
    """Make sure that the data of an experiment has not changed since its start, before it is resumed.

    Args:
        folder: of the experiment, where its trials keep the fingerprints.
        has_results: whether a trial has ended; then a missing fingerprint is warned of.

    Raises:
        ChangedData: it has; the message names the file.
        BadInput: a fingerprint is damaged, or the data is faulty.
    """
    files = {int(match[1]): path for path in sorted(folder.glob("data-*.json")) if (match := FILE.fullmatch(path.name))}
    dataset = dataset_of(config) if files else None
    if dataset is not None:
        for split, path in files.items():
            since, advice = f"experiment {experiment} started", "restore it, or start a new experiment"
            recorded = read_fingerprint(path)
            DataRecord(dataset, split, labelled_videos(recorded), since, advice).compare(recorded, path, unread=True)
    elif has_results and not files:
        warn_of_no_fingerprint(f"experiment {experiment}")


def warn_of_no_fingerprint(what: str) -> None:
    """Warn that a run or an experiment of an earlier version has no fingerprint."""
    warnings.warn(
        f"{what}: made by an earlier version, without a fingerprint of the data: "
        "whether the data has changed since is not known",
        stacklevel=2,
    )
