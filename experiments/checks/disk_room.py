"""How much disk space the trials of an experiment need, and whether it is free."""

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
from experiments.checks.command_check import TrialCommand, read_trial_command
from experiments.steps import trials_of
from nas_space.networks import parameters
from trials.data.dataset import Dataset
from trials.data.feature_cache.cache import default_cache_folder

BYTES_A_TRIAL = 50_000
"""Output, rows in NNI's database, and records of the tuner. Measured: 30 kB with 10 layers and 8 epochs."""
STATE_NUMBERS = 3
"""Numbers per parameter in a resumable checkpoint: the parameter and Adam's two moments; its average comes on top."""
NUMBER = 4
"""Bytes of a float32."""


@dataclass(frozen=True)
class Need:
    """Disk space that is needed."""

    folder: Path
    """A folder, existing or not."""
    size: int
    """Bytes; negative for what exists already."""
    what: str
    shared: bool = False
    """Whether all experiments of a run need it only once."""


def needs_of(config: dict[str, Any], folder: Path, done: int = 0) -> list[Need]:
    """What the trials of an experiment will write to disk; nothing where they run elsewhere, or are unknown.

    Args:
        config: of the experiment.
        folder: base of its relative paths.
        done: trials that have already succeeded.

    Raises:
        BadInput: its number of trials is not a number.
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
    # Missing data and faulty options are reported by preflight.
    with suppress(BadInput, ValueError, LookupError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trial = read_trial_command(command, shlex.split(command), code)
        if isinstance(trial, TrialCommand):
            arguments = trial.arguments
            cache = None if arguments.no_cache else code / (arguments.cache or default_cache_folder())
            dataset = replace(trial.dataset, feature_dtype=arguments.feature_dtype, cache_folder=cache)
            if dataset.cache is not None and (packed := dataset.cache.room_to_pack()):
                needs.append(Need(dataset.cache.path.parent, packed, f"{size(packed)} of feature cache", shared=True))
            at_once = config["trialConcurrency"] if type(config.get("trialConcurrency")) is int else 1
            needs += _results(trial, dataset, trials, left, min(left, at_once), nni, code)
    return needs


def _results(
    trial: TrialCommand, dataset: Dataset, trials: int, left: int, at_once: int, nni: Path, code: Path
) -> list[Need]:
    """What the trials write in addition to logs."""
    model = NUMBER * parameters(trial.network, dataset.feature_dim(dataset.videos()[0]), len(dataset.classes))
    state = (STATE_NUMBERS + (trial.arguments.average_last > 0)) * model
    if trial.module == "trials.local_trial":
        what = f"{_count(left, 'checkpoint')} of {size(state)}"
        return [Need(code / (trial.arguments.chains or nni), left * state, what)]
    if trial.module == "trials.differentiable_trial":
        # Each is removed only after the next one has been written.
        return [Need(nni, (left + at_once) * state, f"{_count(left, 'checkpoint')} of {size(state)}")]
    if trial.module == "trials.final_trial":
        output = code / trial.arguments.output
        labels = sum(file.stat().st_size for file in (dataset.folder / "groundTruth").glob("*.txt"))
        each = model + labels // max(1, len(dataset.splits()))  # each video is predicted in one of the splits
        needed = trials * each + 2 * at_once * state
        there = min(size_of(output), needed)
        what = f"{_count(trials, 'network')} of {size(model)} and their predictions"
        needs = [Need(output, needed, what), Need(output, -there, f"less {size(there)} that exist already")]
        return needs if there else needs[:1]
    return []


def require_room(needs: Iterable[Need]) -> None:
    """Print how much space is needed, one line per disk.

    Raises:
        BadInput: less is free.
    """
    by_disk: dict[int, list[Need]] = {}
    everything = list(needs)
    for need in [need for need in everything if not need.shared] + list({need for need in everything if need.shared}):
        by_disk.setdefault(_existing(need.folder).stat().st_dev, []).append(need)
    for of_disk in by_disk.values():
        largest = max(of_disk, key=lambda need: need.size)
        needed = max(0, sum(need.size for need in of_disk))
        free = shutil.disk_usage(_existing(largest.folder)).free
        takes = f"{largest.folder}: the trials take about {size(needed)}"
        times = Counter(need.what for need in of_disk if need.size)
        what = ", ".join(f"{number} x {name}" if number > 1 else name for name, number in times.items())
        if needed > free:
            raise BadInput(
                f"{takes} of disk ({what}), and {size(free)} are free: make room "
                "(python -m experiments.clean ID removes what an earlier search no longer needs)"
            )
        print(f"{takes} of disk ({what}); {size(free)} are free", file=sys.stderr)


def size(number: float) -> str:
    """A number of bytes as text, with at least two digits."""
    unit, factor = next((each for each in (("GB", 1e9), ("MB", 1e6)) if abs(number) >= each[1]), ("kB", 1e3))
    value = number / factor
    return f"{value:.1f} {unit}" if abs(value) < 10 else f"{value:.0f} {unit}"


def size_of(folder: Path) -> int:
    """Disk usage in bytes of a file or folder, without following links; 0 where there is none."""
    found = [folder, *(Path(top) / name for top, folders, files in os.walk(folder) for name in (*folders, *files))]
    total = 0
    for path in found:
        with suppress(OSError):  # removed in the meantime
            total += path.lstat().st_blocks * 512
    return total


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _existing(folder: Path) -> Path:
    """The folder, or its nearest parent that exists."""
    return next(each for each in (folder, *folder.absolute().parents) if each.exists())
