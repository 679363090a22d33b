"""Evaluation of a structure in a search: one short training, as in a trial; each is run once and cached on disk."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from common.bad_input import BadInput
from nas_space.network import Network
from nas_space.structure import Structure
from trials.data.arguments import Task
from trials.training.epochs import short_training
from trials.training.metrics import METRICS, objective_value, read_metrics
from trials.training.settings import TrainingSettings

VALIDATION_SEED = 0
"""The default of ``trials.search_trial``."""


@dataclass(frozen=True)
class ShortTraining:
    """The result of a short training."""

    epochs: tuple[dict[str, float], ...]
    """The metrics on the validation videos after each epoch."""
    seconds: float
    """Of training and validation, when it was run."""

    @property
    def objective(self) -> float:
        """Mean of the five metrics after the last epoch, as a trial with ``--objective mean`` reports it."""
        return objective_value(self.epochs[-1], "mean")


@dataclass(frozen=True)
class Evaluator:
    """Evaluates structures on one split of a data set."""

    task: Task
    split: int
    settings: TrainingSettings
    file: Path
    """The cache, a JSON line for each training; several processes may use it at once."""
    device: torch.device

    def evaluate(self, structure: Structure) -> ShortTraining:
        """The cached training, or a new one, which is added to the cache."""
        key = {
            "dataset": self.task.name,
            "split": self.split,
            "settings": self.settings.describe(),
            "dilations": structure.by_label(),
        }
        for line in _read_lines(self.file):
            if all(line.get(name) == value for name, value in key.items()):
                return ShortTraining(tuple(map(read_metrics, line["epochs"])), line["seconds"])
        started = time.monotonic()
        rows = short_training(self.task, structure, self.settings, *self.task.search_videos(self.split), self.device)
        epochs = tuple({name: row[name] for name in METRICS} for row in rows)
        training = ShortTraining(epochs, round(time.monotonic() - started, 3))
        _append_line(self.file, {**key, "epochs": epochs, "seconds": training.seconds})
        return training


def read_short_trainings(path: Path, network: Network) -> Iterator[tuple[int, Structure, ShortTraining]]:
    """The cache of one split: seed, structure and training, in the order in which they were run.

    Raises:
        BadInput: a line is damaged, though not truncated.
    """
    for line in _read_lines(path):
        try:
            training = ShortTraining(tuple(map(read_metrics, line["epochs"])), line["seconds"])
            read = (line["settings"]["seed"], Structure.from_labels(line["dilations"], network), training)
        except (KeyError, TypeError, ValueError, AttributeError) as fault:
            raise BadInput(f"{path}: damaged ({fault!r}); remove the line") from None
        yield read


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a file, except those that a kill has truncated."""
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                content = json.loads(line)
            except ValueError:
                continue
            if isinstance(content, dict):
                yield content


def _append_line(path: Path, content: dict[str, Any]) -> None:
    """Append one line, after terminating one that a kill has truncated."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(json.dumps(content).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
