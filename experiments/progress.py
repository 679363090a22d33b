"""Progress of an experiment: trials, epochs of the running ones, best objective so far, time left."""

from __future__ import annotations

import heapq
import math
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import mean
from typing import Any

from common.atomic_file import write_json
from common.bad_input import BadInput
from experiments.nni_experiment import Experiment, Trials
from nni_api.epoch_file import Epoch, read_epoch

PROGRESS_FILE = "progress.json"
LOG_SECONDS = 60.0
"""A log gets a line whenever a trial ends, and otherwise at this interval."""
UNITS = (("days", 86400), ("h", 3600), ("min", 60))
SHOWN_TRIALS = 4
"""Most running trials that are listed."""


@dataclass(frozen=True)
class RunningTrial:
    """A running trial and its epochs; None before its training starts, or if it does not report them."""

    trial: str
    epoch: int | None
    epochs: int | None


@dataclass(frozen=True)
class Progress:
    """The progress of an experiment."""

    experiment: str
    status: str
    """NNI's, or ``ENDED EARLY``."""
    done: int = 0
    """Trials that succeeded."""
    failed: int = 0
    """Trials that failed, or took longer than maxTrialDuration. Trials stopped through NNI do not count."""
    total: int | None = None
    """Number of trials if none fails; None: unknown."""
    running: tuple[RunningTrial, ...] = ()
    best: float | None = None
    """The best objective so far, by the last epoch of each trial, not its best."""
    seconds_left: float | None = field(default=None, compare=False)
    """None before anything was measured, or if the total is unknown."""

    def __str__(self) -> str:
        parts = [f"{self.done}{'' if self.total is None else f' of {self.total}'} trials done"]
        if self.failed:
            parts.append(f"{self.failed} failed")
        if self.best is not None:
            parts.append(f"best {self.best:.2f} (by last epochs)")
        if self.seconds_left:
            parts.append(f"about {duration(self.seconds_left)} left")
        if self.running:  # last, as a narrow terminal truncates the line
            shown = [_epochs(trial) for trial in self.running[:SHOWN_TRIALS]]
            more = len(self.running) - len(shown)
            parts.append(f"running: {', '.join(shown)}{f' and {more} more' if more else ''}")
        return ", ".join(parts)


def _epochs(trial: RunningTrial) -> str:
    return "before its first epoch" if trial.epoch is None else f"epoch {trial.epoch}/{trial.epochs}"


def duration(seconds: float) -> str:
    """A time in the largest unit of which it has at least two."""
    unit, size = next((each for each in UNITS if seconds >= 2 * each[1]), ("s", 1))
    number = max(1.0, seconds / size)
    return f"{number:.1f} {unit}" if number < 10 and unit != "s" else f"{number:.0f} {unit}"


def progress_of(
    experiment: str, status: str, trials: Trials, epochs: Mapping[str, Epoch], total: int | None, side_by_side: int
) -> Progress:
    """The progress of an experiment, without the best so far.

    Args:
        epochs: of each running trial that reports them.
        side_by_side: number of parallel trials.
    """
    states = [str(job["status"]) for job in trials.jobs]
    ids = [str(job["trialJobId"]) for job in trials.jobs if job["status"] == "RUNNING"]
    found = [epochs.get(id) for id in ids]
    return Progress(
        experiment,
        status,
        done=trials.succeeded,
        failed=states.count("FAILED") + states.count("EARLY_STOPPED"),
        total=total,
        running=tuple(
            RunningTrial(id, *(None, None) if epoch is None else (epoch.done, epoch.of))
            for id, epoch in zip(ids, found, strict=True)
        ),
        seconds_left=seconds_left(trials.jobs, epochs, total, side_by_side),
    )


def seconds_left(
    jobs: Sequence[Mapping[str, Any]], epochs: Mapping[str, Epoch], total: int | None, side_by_side: int
) -> float | None:
    """The time until all trials are done, if future trials take as long as past or running ones.

    None if the total is unknown, and while nothing is measured: no trial and no epoch has ended.
    """
    if total is None:
        return None
    now = time.time()
    took = [
        (job["endTime"] - job["startTime"]) / 1000
        for job in jobs
        if job["status"] == "SUCCEEDED" and job.get("startTime") and job.get("endTime")
    ]
    paces = {id: epoch.seconds * epoch.of for id, epoch in epochs.items() if epoch.seconds is not None}
    if not took and not paces:
        return None
    whole = mean(took or paces.values())
    running = [job for job in jobs if job["status"] == "RUNNING"]
    left = []
    for job in running:
        epoch = epochs.get(str(job["trialJobId"]))
        if epoch is not None and epoch.seconds is not None:
            left.append(epoch.seconds * (epoch.of - epoch.done) - (now - epoch.written))
        else:
            left.append(whole - (now - job.get("startTime", now * 1000) / 1000))
    workers = [max(0.0, each) for each in left]
    workers += [0.0] * (max(1, side_by_side) - len(workers))
    heapq.heapify(workers)
    for _ in range(total - sum(job["status"] == "SUCCEEDED" for job in jobs) - len(running)):
        heapq.heapreplace(workers, workers[0] + whole)
    return max(workers)


def best_of(experiment: Experiment) -> float | None:
    """The best objective so far; None if there is none, or if this is not a search."""
    history = experiment.history()
    try:
        return None if history is None else history.best()[0].metrics["default"]
    except BadInput:  # no trial has succeeded, or they are final trainings
        return None


class ProgressDisplay:
    """Shows the progress of an experiment: a changing line on a terminal, lines in a log, and a file.

    A context manager, so that the terminal is left on a new line.
    """

    def __init__(
        self, experiment: Experiment, total: int | None, file: Path | None = None, step: str | None = None
    ) -> None:
        """Show nothing yet.

        Args:
            total: number of trials if none fails; None: unknown.
            file: for the numbers as JSON.
            step: the step of a run that the experiment belongs to.
        """
        self._experiment = experiment
        self._total = total
        self._file = file
        self._step = step
        self._terminal = sys.stderr.isatty()
        self._side_by_side = 1
        self._ended = -1
        self._best: float | None = None
        self._last: Progress | None = None
        self._written = self._logged = -math.inf
        self._line = ""

    def __enter__(self) -> ProgressDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        if self._line:
            print(file=sys.stderr, flush=True)

    def show(self, status: str, trials: Trials) -> None:
        """Show the current state of the trials."""
        now = time.monotonic()
        running = [str(job["trialJobId"]) for job in trials.jobs if job["status"] == "RUNNING"]
        self._side_by_side = max(self._side_by_side, len(running))
        folder = self._experiment.trials_folder() if running else Path()
        epochs = {id: epoch for id in running if (epoch := read_epoch(folder / id)) is not None}
        ended = trials.ended != self._ended
        if ended:  # only then, as the records of a long search are long
            self._best = best_of(self._experiment)
        progress = replace(
            progress_of(self._experiment.id, status, trials, epochs, self._total, self._side_by_side), best=self._best
        )
        if progress != self._last or now - self._written > LOG_SECONDS:
            self._write(progress)
            self._written = now
        text = str(progress) if self._step is None else f"{self._step}: {progress}"
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            self._line = text if len(text) <= width else f"{text[: width - 1]}…"
            print(f"\r\x1b[K{self._line}", end="", file=sys.stderr, flush=True)
        elif (ended and trials.ended and self._last is not None) or now - self._logged > LOG_SECONDS:
            print(text, file=sys.stderr, flush=True)
            self._logged = now
        self._last, self._ended = progress, trials.ended

    def _write(self, progress: Progress) -> None:
        left = None if progress.seconds_left is None else round(progress.seconds_left)
        content = {"step": self._step, **asdict(progress), "seconds_left": left, "written": round(time.time())}
        if self._file is None:
            return
        with suppress(OSError):  # a full disk must not end a search here: required files will report it
            write_json(self._file, content)
