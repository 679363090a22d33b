"""The data of a run or of an experiment, compared with what it started with before it goes on."""

from __future__ import annotations

import argparse
import re
import shlex
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from common.bad_input import BadInput
from trials.data.arguments import Task, add_dataset_arguments
from trials.data.dataset import Dataset
from trials.data.fingerprint import DataRecord, changed_files, experiment_file, labelled_videos, read_fingerprint

FILE = re.compile(r"data-split([0-9]{1,9})-.*\.json")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadInput(f"trialCommand: {message}")


def dataset_of(config: dict[str, Any]) -> Dataset | None:
    """The data set that the trials of an experiment read, as they read it; None where their command names none.

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
    parser = _Parser(add_help=False)
    add_dataset_arguments(parser)
    return Task.from_arguments(parser.parse_known_args(words)[0]).dataset


def require_same_run_data(
    folder: Path, configs: Iterable[dict[str, Any]], splits: Sequence[int], begun: bool = False
) -> None:
    """Make sure that the data of the steps of a run is what the run started with, and note it where nothing is noted.

    With a cache, the features are packed now, if they are not yet; without, their files are read.

    Args:
        folder: of the run.
        configs: of its steps.
        begun: whether a step has begun; then a warning says that there is no fingerprint, if there is none.

    Raises:
        ChangedData: it is not; the message names the file.
        BadInput: the data is faulty.
    """
    if begun and not any(folder.glob("data-*.json")):
        warn_of_no_fingerprint(str(folder))
    datasets = {(each.sample_rate, each.feature_dtype): each for each in map(dataset_of, configs) if each is not None}
    for dataset in datasets.values():
        for split in splits:
            train, test = dataset.split(split)
            since, advice = f"{folder} was started", "restore it, or choose another --name"
            file = experiment_file(folder, dataset, split)
            DataRecord(dataset, split, train + test, since, advice, file).note(unread=True)


def other_data_of_step(folder: Path, experiment: Path) -> str | None:
    """What the trials of a step read otherwise than the run: the data may change as NNI starts them; None: nothing.

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
    """Make sure that the data of an experiment is what its trials read before it is resumed.

    Args:
        folder: of the experiment, where its trials keep the fingerprints.
        has_results: whether a trial has ended; then a warning says that there is no fingerprint, if there is none.

    Raises:
        ChangedData: it is not; the message names the file.
        BadInput: a fingerprint is damaged, or the data is faulty.
    """
    files = {int(match[1]): path for path in sorted(folder.glob("data-*.json")) if (match := FILE.fullmatch(path.name))}
    dataset = dataset_of(config) if files else None
    if dataset is not None:
        for split, path in files.items():
            since, advice = f"experiment {experiment} started", "restore it, or start a new experiment"
            kept = read_fingerprint(path)
            DataRecord(dataset, split, labelled_videos(kept), since, advice).compare(kept, path, unread=True)
    elif has_results and not files:
        warn_of_no_fingerprint(f"experiment {experiment}")


def warn_of_no_fingerprint(what: str) -> None:
    """Say that a run or an experiment of an earlier version keeps no fingerprint."""
    warnings.warn(
        f"{what}: made by an earlier version, without a fingerprint of the data: "
        "whether the data has changed since is not known",
        stacklevel=2,
    )
