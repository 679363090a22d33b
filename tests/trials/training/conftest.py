"""A data set of six videos, and a final training on it: whole or stopped, and what must repeat of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trials.conftest import TINY_STRUCTURE
from trials.data.arguments import Task
from trials.data.batches import Batch
from trials.data.dataset import Dataset
from trials.training.checkpoint import load_checkpoint
from trials.training.final_training import FinalTraining
from trials.training.settings import TrainingSettings
from trials.training.training import Training

CPU = torch.device("cpu")
EPOCHS = 4


@pytest.fixture
def dataset(small_dataset: Path) -> Dataset:
    return Dataset(small_dataset)


@pytest.fixture
def final(dataset: Dataset) -> FinalTraining:
    """Three videos to train on, one to validate on, two to test on."""
    train, test = dataset.split(1)
    settings = TrainingSettings(epochs=EPOCHS, batch_size=2, learning_rate=5e-3, decay_epochs=(3,), seed=5)
    task = Task("small", dataset, ("class_0",))
    return FinalTraining(task, 1, TINY_STRUCTURE, settings, train[:3], train[3:], test, "last")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "output"


def stop_after(
    epochs: int, final: FinalTraining, output: Path, monkeypatch: pytest.MonkeyPatch, tensorboard: Path | None = None
) -> None:
    """Run, as if the process was stopped in the middle of the next epoch."""
    run_epoch = Training.run_epoch

    def stopping(self: Training, *arguments: Any) -> float:
        if self.epoch == epochs:
            self.step(Batch.of([arguments[0].load(arguments[1][0])], CPU))
            raise KeyboardInterrupt
        return run_epoch(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "run_epoch", stopping)
        with pytest.raises(KeyboardInterrupt):
            final.run(output, CPU, tensorboard)


def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Training, "step", lambda *_: pytest.fail("trained again"))


def numbers(result: dict[str, Any]) -> dict[str, Any]:
    """What must repeat: all but the times."""
    history = [{name: value for name, value in row.items() if name != "seconds"} for row in result["history"]]
    return {**result, "history": history, "seconds": None}


def weights(output: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(output / "model.pt").weights
