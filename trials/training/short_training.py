"""One short training, judged after every epoch: what every search rests on, under NNI or without it."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from nas_space.networks import build
from nas_space.structure import Structure
from trials.data.arguments import Task
from trials.training.training import Training, TrainingSettings, score_network


def short_training(
    task: Task,
    structure: Structure,
    settings: TrainingSettings,
    train_videos: tuple[str, ...],
    judged: tuple[str, ...],
    device: torch.device,
) -> Iterator[dict[str, float]]:
    """Train a structure from scratch; yields ``loss``, ``learning_rate`` and the metrics of each epoch as it ends.

    Args:
        judged: the videos that the metrics are of.

    Raises:
        BadInput: the data is faulty.
        NonFiniteLoss: the training failed.
    """
    torch.manual_seed(settings.seed)
    feature_dim = task.dataset.feature_dim(train_videos[0])
    network = build(structure, feature_dim, len(task.dataset.classes))
    training = Training(network, settings, device)
    task.dataset.check_training(train_videos, judged, feature_dim)
    while training.epoch < settings.epochs:
        learning_rate = training.learning_rate
        loss = training.run_epoch(task.dataset, train_videos)
        metrics = score_network(network, task.dataset, judged, task.background, device)
        yield {"loss": loss, "learning_rate": learning_rate, **metrics}
