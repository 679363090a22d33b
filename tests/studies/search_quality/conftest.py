"""A small data set, and judges of it whose trainings are counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import torch

from nas_space.networks import find_network
from nas_space.structure import Structure
from studies.search_quality import evaluator as evaluator_module
from studies.search_quality.evaluator import Evaluator
from tests.conftest import write_dataset
from trials.data.arguments import Task
from trials.training.metrics import METRICS
from trials.training.settings import TrainingSettings

CPU = torch.device("cpu")
NETWORK = find_network("ms-tcn:stages=2,layers=3")
FINAL = TrainingSettings(epochs=1, batch_size=2)


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """Six videos to train on, two of them held out, and two to test on; two splits."""
    write_dataset(tmp_path / "data" / "small", train=6, test=2, splits=2)
    return Task.of("small", tmp_path / "data")


@pytest.fixture
def new_evaluator(task: Task, tmp_path: Path) -> Callable[..., Evaluator]:
    """Judges that share one file."""

    def new(split: int = 1, epochs: int = 2, seed: int = 0) -> Evaluator:
        settings = TrainingSettings(epochs=epochs, batch_size=1, seed=seed)
        return Evaluator(task, split, settings, tmp_path / "judgements.jsonl", CPU)

    return new


def play_trainings(monkeypatch: pytest.MonkeyPatch, kill_after: int | None = None) -> list[Structure]:
    """Play the short trainings: small dilations score high. Returns a list that grows by what is trained.

    Args:
        kill_after: so many trainings end, and the next one is interrupted.
    """
    trained: list[Structure] = []

    def train(_task: Task, structure: Structure, settings: TrainingSettings, *_: Any) -> Iterator[dict[str, float]]:
        if len(trained) == kill_after:
            raise KeyboardInterrupt
        trained.append(structure)
        for epoch in range(settings.epochs):
            value = 100 / (1 + sum(structure.dilations)) + epoch
            yield {"loss": 1.0, "learning_rate": 5e-4, **dict.fromkeys(METRICS, value)}

    monkeypatch.setattr(evaluator_module, "short_training", train)
    return trained


class PlayedPool:
    """Does what is submitted at once."""

    def __init__(self, *_: Any) -> None:
        pass

    def __enter__(self) -> PlayedPool:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(function(*arguments))
        return future
