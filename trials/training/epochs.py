"""What all trainings share: their start and their epochs."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from common.bad_input import BadInput
from nas_space.layers.packed_videos import PackedVideos
from nas_space.networks import build
from nas_space.networks.your_own import OwnNetwork, line_of
from nas_space.structure import Structure
from trials.data.arguments import Task, check_search_holdout, held_out
from trials.data.dataset import Dataset
from trials.data.fingerprint import DataRecord
from trials.training.arguments import training_settings
from trials.training.scoring import score_network
from trials.training.settings import TrainingSettings
from trials.training.threads import choose_threads
from trials.training.training import Training


def new_training(
    task: Task,
    structure: Structure,
    settings: TrainingSettings,
    train_videos: Sequence[str],
    scored_videos: Sequence[str],
    device: torch.device,
    change: Callable[[nn.Module], object] = lambda _: None,
) -> Training:
    """A training of a structure before its first epoch, with weights by the seed of the settings.

    Args:
        scored_videos: all that will be scored; like the training videos, they are checked first.
        change: called with the network, for example to add branches.

    Raises:
        BadInput: the data is faulty, or a video too short for a network of the user's own.
    """
    dataset = task.dataset
    torch.manual_seed(settings.seed)
    feature_dim = dataset.feature_dim(train_videos[0])
    network = build(structure, feature_dim, len(dataset.classes))
    change(network)
    training = Training(network, settings, device)
    dataset.check_training(train_videos, scored_videos, feature_dim)
    if isinstance(structure.network, OwnNetwork):
        _check_one_frame(structure, dataset, feature_dim, train_videos, scored_videos)
    return training


def _check_one_frame(
    structure: Structure,
    dataset: Dataset,
    feature_dim: int,
    train_videos: Sequence[str],
    scored_videos: Sequence[str],
) -> None:
    """Try a network on one frame, if a video has no more: batch normalisation, for one, cannot be trained on it.

    Raises:
        BadInput: it fails.
    """
    rate = dataset.sample_rate

    for part, videos in (("training", train_videos), ("evaluation", scored_videos)):
        shapes = dataset.feature_shapes(videos)
        video = next((each for each in videos if min(shapes[each][1], len(dataset.labels(each))) <= rate), None)
        if video is None:
            continue
        # A network of its own: neither the statistics nor the random numbers of the one that is trained change.
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            network = build(structure, feature_dim, len(dataset.classes)).train(part == "training")
            try:
                network(PackedVideos(torch.zeros(1, feature_dim), (0, 1)))
            except Exception as fault:
                smaller = ", or give a smaller --sample-rate" if rate > 1 else ""
                raise BadInput(
                    f"{dataset.feature_path(video)}: one frame as the network reads it, on which {structure.network} "
                    f"fails in {part} ({line_of(fault)}): leave the video out (splits/*.bundle){smaller}"
                ) from None


def train_epochs(
    training: Training,
    task: Task,
    train_videos: Sequence[str],
    scored_videos: Sequence[str],
    before_epoch: Callable[[], object] = lambda: None,
    after_step: Callable[[], object] = lambda: None,
) -> Iterator[dict[str, float]]:
    """Train from the present epoch to the last one.

    Yields after each epoch: ``epoch`` (from 1), ``loss``, ``learning_rate``, the metrics on ``scored_videos`` if there
    are any, and ``seconds``. In the epochs over which the weights are averaged, the metrics are those of the average so
    far; the training goes on from the weights themselves.

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
            with training.scored_network() as network:
                row |= score_network(network, training.videos(task.dataset), scored_videos, task.background)
        yield {**row, "seconds": round(time.monotonic() - started, 3)}


def short_training(
    task: Task,
    structure: Structure,
    settings: TrainingSettings,
    train_videos: Sequence[str],
    scored_videos: Sequence[str],
    device: torch.device,
) -> Iterator[dict[str, float]]:
    """Train a structure from scratch, to evaluate it in a search; yields as ``train_epochs``."""
    training = new_training(task, structure, settings, train_videos, scored_videos, device)
    yield from train_epochs(training, task, train_videos, scored_videos)


@dataclass(frozen=True)
class SearchTraining:
    """Data and settings of a training that is itself a search, or an iteration of one."""

    task: Task
    split: int
    train_videos: tuple[str, ...]
    validation_videos: tuple[str, ...]
    settings: TrainingSettings

    @staticmethod
    def fields_from(
        arguments: argparse.Namespace, split: int
    ) -> tuple[Task, int, tuple[str, ...], tuple[str, ...], TrainingSettings]:
        """The fields of this class from the options; also sets the number of threads."""
        check_search_holdout(arguments)
        task = Task.from_arguments(arguments)
        train_videos, validation_videos = held_out(arguments, task.dataset.split(split)[0])
        choose_threads(arguments, task.dataset, train_videos)
        return task, split, train_videos, validation_videos, training_settings(arguments)

    @property
    def videos(self) -> tuple[str, ...]:
        """All videos that are read."""
        return self.train_videos + self.validation_videos

    def describe(self) -> dict[str, Any]:
        """The fields as JSON content."""
        return {
            **self.task.describe(),
            "split": self.split,
            "settings": self.settings.describe(),
            "train_videos": list(self.train_videos),
            "validation_videos": list(self.validation_videos),
        }

    def data_record(self, folder: Path) -> DataRecord:
        """A record of the data that is read by the search in ``folder``."""
        return DataRecord.of_folder(folder, self.task.dataset, self.split, self.videos)

    def start(self, structure: Structure, device: torch.device, change: Callable[[nn.Module], object]) -> Training:
        """See ``new_training``."""
        videos = self.train_videos, self.validation_videos
        return new_training(self.task, structure, self.settings, *videos, device, change)

    def epochs(
        self,
        training: Training,
        before_epoch: Callable[[], object] = lambda: None,
        after_step: Callable[[], object] = lambda: None,
    ) -> Iterator[dict[str, float]]:
        """See ``train_epochs``."""
        return train_epochs(training, self.task, self.train_videos, self.validation_videos, before_epoch, after_step)
