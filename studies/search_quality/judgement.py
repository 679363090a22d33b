"""How good a structure is to a search: one short training, as of a trial; each is trained once and kept on disk."""

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
from trials.data.arguments import SEARCH_FRACTION, Task
from trials.data.holdout import hold_out
from trials.data.known_datasets import defaults_of
from trials.training.epochs import short_training
from trials.training.metrics import METRICS, objective_value, read_metrics
from trials.training.training import TrainingSettings

VALIDATION_SEED = 0
"""The default of ``trials.search_trial``."""


def search_side(task: Task, split: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The videos that a search trains on and those that it judges on: never the test videos."""
    return hold_out(task.dataset.split(split)[0], SEARCH_FRACTION, VALIDATION_SEED, defaults_of(task.name).group)


@dataclass(frozen=True)
class Judgement:
    """What a short training has shown."""

    epochs: tuple[dict[str, float], ...]
    """The metrics on the validation videos after each epoch."""
    seconds: float
    """Of the training and its judging, when it was trained."""

    @property
    def objective(self) -> float:
        """Mean of the five metrics after the last epoch, as a trial with ``--objective mean`` reports it."""
        return objective_value(self.epochs[-1], "mean")


@dataclass(frozen=True)
class Judge:
    """Judges structures on one split of a data set."""

    task: Task
    split: int
    settings: TrainingSettings
    file: Path
    """Where judgements are kept, a JSON line each; several processes may use it at once."""
    device: torch.device

    def judge(self, structure: Structure) -> Judgement:
        """The judgement that was kept, else a new one, which is kept from now on."""
        key = {
            "dataset": self.task.name,
            "split": self.split,
            "settings": self.settings.describe(),
            "dilations": structure.by_label(),
        }
        for line in _read_lines(self.file):
            if all(line.get(name) == value for name, value in key.items()):
                return Judgement(tuple(map(read_metrics, line["epochs"])), line["seconds"])
        started = time.monotonic()
        kept, held = search_side(self.task, self.split)
        rows = short_training(self.task, structure, self.settings, kept, held, self.device)
        epochs = tuple({name: row[name] for name in METRICS} for row in rows)
        judgement = Judgement(epochs, round(time.monotonic() - started, 3))
        _append_line(self.file, {**key, "epochs": epochs, "seconds": judgement.seconds})
        return judgement


def read_judgements(path: Path, network: Network) -> Iterator[tuple[int, Structure, Judgement]]:
    """What a judge has kept of one split: seed, structure and judgement, in the order in which they were made.

    Raises:
        BadInput: a line is damaged, though not cut short.
    """
    for line in _read_lines(path):
        try:
            judgement = Judgement(tuple(map(read_metrics, line["epochs"])), line["seconds"])
            judged = (line["settings"]["seed"], Structure.from_labels(line["dilations"], network), judgement)
        except (KeyError, TypeError, ValueError, AttributeError) as fault:
            raise BadInput(f"{path}: damaged ({fault!r}); remove the line") from None
        yield judged


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a file, without those that a kill has cut short."""
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                content = json.loads(line)
            except ValueError:
                continue
            if isinstance(content, dict):
                yield content


def _append_line(path: Path, content: dict[str, Any]) -> None:
    """Append one line, and end one that a kill has cut short."""
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
