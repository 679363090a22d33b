"""A local search of a tiny network, and two structures of a chain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from nas_space.branching import Branching
from nas_space.networks import ms_tcn
from nas_space.structure import Structure
from tests.conftest import write_dataset
from trials.data.arguments import Task
from trials.data.dataset import Dataset
from trials.training.local_iteration import BranchedTraining
from trials.training.settings import TrainingSettings

NETWORK = ms_tcn.describe(stages=2, layers=2, channels=8)
STRUCTURE = Structure((1, 2, 4, 8), NETWORK)
# Two layers get another number of branches: 1 -> 1 2 becomes 3 -> 1 3 5, and 8 -> 4 8 12 becomes 32 -> 16 32.
MOVED = Structure((3, 2, 5, 32), NETWORK)
BRANCHING = Branching(rate=0.5, maximum=32)
SETTINGS = TrainingSettings(epochs=2, batch_size=2, learning_rate=0.01, decay_epochs=(), seed=3)
CPU = torch.device("cpu")


def tiny_search(folder: Path) -> BranchedTraining:
    """Four videos to train on, two to validate on, of a data set that is written into ``folder``."""
    dataset = Dataset(write_dataset(folder, train=6, test=2))
    train, _ = dataset.split(1)
    return BranchedTraining(Task("small", dataset, ()), 1, train[:4], train[4:], SETTINGS, BRANCHING)


def equal(one: Any, other: Any) -> bool:
    """Whether two contents of checkpoints are equal bit for bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    return one == other
