"""How much disk the trials of an experiment take, and whether there is room for that."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import warnings
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from common.bad_input import BadInput
from experiments.command_check import TrialCommand, read_trial_command
from experiments.plan import trials_of
from nas_space.networks import parameters
from trials.data.dataset import Dataset, find_dataset
from trials.data.feature_cache import default_cache_folder

BYTES_A_TRIAL = 50_000
"""What it prints, its rows in NNI's database, the tuner's records. Measured: 30 kB with 10 layers and 8 epochs."""
STATE_NUMBERS = 3
"""A parameter and Adam's two moments of it, in each checkpoint that a training can go on from."""
NUMBER = 4
"""Bytes of a number in float32."""


@dataclass(frozen=True)
class Need:
    """Room that is needed."""

    place: Path
    """A folder, there or not."""
    size: int
    """Bytes; below 0 for what is there already."""
    what: str
    shared: bool = False
    """Whether all experiments of a run need it once."""


def needs_of(config: dict[str, Any], folder: Path, done: int = 0) -> list[Need]:
    """What the trials of an experiment will leave on the disk; nothing where they run elsewhere, or are not known.

    Args:
        config: of the experiment.
        folder: what relative paths in it are relative to.
        done: trials that need not be run any more.

    Raises:
        BadInput: its number of trials is none.
    """
    service, command = config.get("trainingService"), config.get("trialCommand")
    trials = trials_of(config)
    local = isinstance(service, dict) and service.get("platform") == "local"
    if not local or not isinstance(command, str) or trials is None:
        return []
    code = folder / str(config.get("trialCodeDirectory") or ".")
    nni = folder / Path(str(config.get("experimentWorkingDirectory") or "~/nni-experiments")).expanduser()
    left = max(0, trials - done)
    needs = [Need(nni, BYTES_A_TRIAL * left, f"{size(BYTES_A_TRIAL * left)} of logs")]
    # The data is not there, or an option is faulty: preflight says so.
    with suppress(BadInput, ValueError, LookupError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trial = read_trial_command(command, shlex.split(command), code)
        if isinstance(trial, TrialCommand):
            dataset = _dataset(trial, code)
            if dataset.cache is not None and (packed := dataset.cache.room_to_pack()):
                needs.append(Need(dataset.cache.path.parent, packed, f"{size(packed)} of feature cache", shared=True))
            at_once = config["trialConcurrency"] if type(config.get("trialConcurrency")) is int else 1
            needs += _results(trial, dataset, trials, left, min(left, at_once), nni, code)
    return needs


def _results(
    trial: TrialCommand, dataset: Dataset, trials: int, left: int, at_once: int, nni: Path, code: Path
) -> list[Need]:
    """What the trials leave besides logs."""
    model = NUMBER * parameters(trial.network, dataset.feature_dim(dataset.videos()[0]), len(dataset.classes))
    state = STATE_NUMBERS * model
    if trial.module == "trials.local_trial":
        what = f"{_count(left, 'checkpoint')} of {size(state)}"
        return [Need(code / (trial.arguments.chains or nni), left * state, what)]
    if trial.module == "trials.differentiable_trial":
        # One is removed only when the next one has been written.
        return [Need(nni, (left + at_once) * state, f"{_count(left, 'checkpoint')} of {size(state)}")]
    if trial.module == "trials.final_trial":
        output = code / trial.arguments.output
        labels = sum(file.stat().st_size for file in (dataset.folder / "groundTruth").glob("*.txt"))
        each = model + labels // max(1, len(dataset.splits()))  # each video is predicted in one of the splits
        needed = trials * each + 2 * at_once * state
        there = min(size_of(output), needed)
        what = f"{_count(trials, 'network')} of {size(model)} and their predictions"
        needs = [Need(output, needed, what), Need(output, -there, f"less {size(there)} that are there")]
        return needs if there else needs[:1]
    return []


def require_room(needs: Iterable[Need]) -> None:
    """Say how much disk is needed, a line a disk.

    Raises:
        BadInput: there is less room.
    """
    by_disk: dict[int, list[Need]] = {}
    everything = list(needs)
    for need in [need for need in everything if not need.shared] + list({need for need in everything if need.shared}):
        by_disk.setdefault(_existing(need.place).stat().st_dev, []).append(need)
    for of_disk in by_disk.values():
        largest = max(of_disk, key=lambda need: need.size)
        needed = max(0, sum(need.size for need in of_disk))
        free = shutil.disk_usage(_existing(largest.place)).free
        takes = f"{largest.place}: the trials take about {size(needed)}"
        times = Counter(need.what for need in of_disk if need.size)
        what = ", ".join(f"{number} x {name}" if number > 1 else name for name, number in times.items())
        if needed > free:
            raise BadInput(
                f"{takes} of disk ({what}), and {size(free)} are free: make room "
                "(python -m experiments.clean ID removes what an earlier search no longer needs)"
            )
        print(f"{takes} of disk ({what}); {size(free)} are free", file=sys.stderr)


def size(number: float) -> str:
    """A number of bytes, with two digits or more."""
    unit, factor = next((each for each in (("GB", 1e9), ("MB", 1e6)) if abs(number) >= each[1]), ("kB", 1e3))
    value = number / factor
    return f"{value:.1f} {unit}" if abs(value) < 10 else f"{value:.0f} {unit}"


def size_of(folder: Path) -> int:
    """Bytes of the disk that a file or folder takes, links not followed; 0 where there is none."""
    found = [folder, *(Path(top) / name for top, folders, files in os.walk(folder) for name in (*folders, *files))]
    total = 0
    for path in found:
        with suppress(OSError):  # removed meanwhile
            total += path.lstat().st_blocks * 512
    return total


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(each for each in (folder, *folder.absolute().parents) if each.exists())


def _dataset(trial: TrialCommand, code: Path) -> Dataset:
    """The data set that trials train on, as they read it. Raises BadInput where it is not there."""
    arguments = trial.arguments
    dataset = find_dataset(arguments.dataset, trial.data_folder.parent, arguments.sample_rate)
    cache = None if arguments.no_cache else code / (arguments.cache or default_cache_folder())
    return replace(dataset, feature_dtype=arguments.feature_dtype, cache_folder=cache)
