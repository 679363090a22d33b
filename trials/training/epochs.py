"""How every training begins, and its epochs: the short one of a search, an iteration of a chain, the final one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import nn

from nas_space.networks import build
from nas_space.structure import Structure
from trials.data.arguments import Task
from trials.training.training import Training, TrainingSettings, score_network


def new_training(
    task: Task,
    structure: Structure,
    settings: TrainingSettings,
    train_videos: Sequence[str],
    scored_videos: Sequence[str],
    device: torch.device,
    change: Callable[[nn.Module], object] = lambda _: None,
) -> Training:
    """A training of a structure before its first epoch, whose weights the seed of the settings decides.

    Args:
        scored_videos: all that will be scored; like the training videos, they are checked first.
        change: is given the network, such as to put branches into it.

    Raises:
        BadInput: the data is faulty.
    """
    dataset = task.dataset
    torch.manual_seed(settings.seed)
    feature_dim = dataset.feature_dim(train_videos[0])
    network = build(structure, feature_dim, len(dataset.classes))
    change(network)
    training = Training(network, settings, device)
    dataset.check_training(train_videos, scored_videos, feature_dim)
    return training


def train_epochs(
    training: Training,
    task: Task,
    train_videos: Sequence[str],
    scored_videos: Sequence[str],
    before_epoch: Callable[[], object] = lambda: None,
    after_step: Callable[[], object] = lambda: None,
) -> Iterator[dict[str, float]]:
    """Train from where a training is to the end of its settings.

    Yields, as each epoch ends: ``epoch`` (from 1), ``loss``, ``learning_rate``, the metrics on ``scored_videos`` if
    there are any, and ``seconds``.

    Raises:
        NonFiniteLoss: the training failed.
    """
    while training.epoch < training.settings.epochs:
        started = time.monotonic()
        before_epoch()
        learning_rate = training.learning_rate
        loss = training.run_epoch(task.dataset, train_videos, after_step)
        row: dict[str, float] = {"epoch": training.epoch, "loss": loss, "learning_rate": learning_rate}
        if scored_videos:
            row |= score_network(training.network, task.dataset, scored_videos, task.background, training.device)
        yield {**row, "seconds": round(time.monotonic() - started, 3)}


def short_training(
    task: Task,
    structure: Structure,
    settings: TrainingSettings,
    train_videos: Sequence[str],
    scored_videos: Sequence[str],
    device: torch.device,
) -> Iterator[dict[str, float]]:
    """What a search evaluates a structure by: train it from scratch; yields as ``train_epochs``."""
    training = new_training(task, structure, settings, train_videos, scored_videos, device)
    yield from train_epochs(training, task, train_videos, scored_videos)
