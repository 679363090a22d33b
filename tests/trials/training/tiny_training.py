"""A training of a tiny network, and some epochs of it."""

from __future__ import annotations

from typing import Any

import torch

from nas_space.networks import build
from tests.trials.conftest import TINY_STRUCTURE
from trials.data.dataset import Dataset
from trials.training.settings import TrainingSettings
from trials.training.training import Training

CPU = torch.device("cpu")
DIM, CLASSES = 6, 3


def start(seed: int = 0, **settings: Any) -> Training:
    """A training of a tiny network, whose weights are always the same."""
    torch.manual_seed(0)
    network = build(TINY_STRUCTURE, DIM, CLASSES)
    return Training(network, TrainingSettings(seed=seed, batch_size=2, **settings), CPU)


def epochs(training: Training, dataset: Dataset, number: int) -> list[float]:
    """The losses of some epochs on the training videos."""
    return [training.run_epoch(dataset, dataset.split(1)[0]) for _ in range(number)]
