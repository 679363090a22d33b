"""One iteration of the local search: train a network with branches around its dilations, on from the one before."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from common.bad_input import BadInput
from nas_space.branching import Branching
from nas_space.layers.convolutions import BRANCH_WEIGHTS
from nas_space.searchable import expand, probabilities
from nas_space.structure import Structure
from trials.data.arguments import Task, search_videos
from trials.data.fingerprint import DataRecord
from trials.training.arguments import training_settings
from trials.training.checkpoint import DAMAGE, load_torch, save_torch
from trials.training.epochs import new_training, train_epochs
from trials.training.event_files import AddScalars, scalars_of
from trials.training.metrics import METRICS
from trials.training.threads import choose_threads
from trials.training.training import NonFiniteLoss, Training, TrainingSettings


@dataclass(frozen=True)
class LocalSearch:
    """What an iteration needs besides its structure: data, network, schedule."""

    task: Task
    split: int
    train_videos: tuple[str, ...]
    validation_videos: tuple[str, ...]
    settings: TrainingSettings
    """``epochs`` is the number of epochs of one iteration."""
    branching: Branching
    inner_activation: bool = False

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace, split: int, branching: Branching) -> LocalSearch:
        """The local search that the options name."""
        task = Task.from_arguments(arguments)
        train_videos, _ = task.dataset.split(split)
        kept, held = search_videos(arguments, train_videos)
        choose_threads(arguments, task.dataset, kept)
        return cls(task, split, kept, held, training_settings(arguments), branching, arguments.inner_activation)

    def data_record(self, folder: Path) -> DataRecord:
        """A record of the data that a chain in ``folder`` reads."""
        videos = self.train_videos + self.validation_videos
        advice = "restore it, or begin again in another folder"
        return DataRecord(self.task.dataset, self.split, videos, f"{folder} was started", advice)

    def train(
        self,
        structure: Structure,
        iteration: int,
        folder: Path,
        device: torch.device,
        after_epoch: Callable[[dict[str, float]], object] = lambda _: None,
        add_scalars: AddScalars = lambda *_: None,
    ) -> dict[str, list[float]]:
        """Train one iteration (counted from 0) of the chain whose checkpoints are in ``folder``.

        It begins with the weights, optimiser state and random state that the iteration before left, and leaves its own;
        only the branch weights begin anew, with their optimiser state. Run again, it gives the same numbers on a CPU.

        ``after_epoch`` is given the validation metrics, ``add_scalars`` also the dilation that each layer expects, with
        the epochs of the whole chain. Returns the branch probabilities by short label.

        Raises:
            BadInput: the checkpoint of the iteration before is missing, or of another network or data set, or the data
                has changed since.
        """
        self.branching.check(structure)
        dataset = self.task.dataset
        feature_dim = dataset.feature_dim(self.train_videos[0])
        training = new_training(
            self.task,
            structure,
            self.settings,
            self.train_videos,
            self.validation_videos,
            device,
            lambda network: expand(network, structure, self.branching, self.inner_activation),
        )
        network = training.network
        record = self.data_record(folder)
        if iteration > 0:
            path = iteration_path(folder, iteration - 1)
            before = load_torch(path)
            record.compare(before.get("data"), path)
            if before.get("classes") != list(dataset.classes) or before.get("feature_dim") != feature_dim:
                raise BadInput(f"{path}: of another data set (classes or feature dimension differ)")
            try:
                same = _weight_shapes(before["training"]["network"]) == _weight_shapes(network.state_dict())
                if same:
                    carry_over(before["training"], training)
            except DAMAGE as fault:
                raise BadInput(f"{path}: damaged ({fault!r}); begin anew with another folder") from None
            if not same:
                raise BadInput(f"{path}: of another network (its layers differ)")
        for row in train_epochs(training, self.task, self.train_videos, self.validation_videos):
            record.note()
            after_epoch({name: row[name] for name in METRICS})
            expected = self._expected_dilations(structure, probabilities(network, structure.network))
            add_scalars(iteration * self.settings.epochs + training.epoch, scalars_of(row) | expected)
        learned = probabilities(network, structure.network)
        if not all(math.isfinite(p) for of_layer in learned.values() for p in of_layer):
            raise NonFiniteLoss("the branch weights are no finite numbers any more: lower the learning rate")
        save_torch(
            iteration_path(folder, iteration),
            {
                "training": training.state_dict(),
                "classes": list(dataset.classes),
                "feature_dim": feature_dim,
                "structure": structure.by_path(),
                "probabilities": learned,
                "data": record.files,
            },
        )
        return learned

    def _expected_dilations(self, structure: Structure, learned: dict[str, list[float]]) -> dict[str, float]:
        """The expectation over the branches of each layer, not rounded, by tag."""
        branches = {label: self.branching.expand(dilation) for label, dilation in structure.by_label().items()}
        return {
            f"dilation/{label}": sum(p * d for p, d in zip(learned[label], branches[label], strict=True))
            for label in branches
        }


def iteration_path(folder: Path, iteration: int) -> Path:
    """Where an iteration leaves its checkpoint."""
    return folder / f"iteration_{iteration}.pt"


def _weight_shapes(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in weights.items() if not name.endswith(BRANCH_WEIGHTS)}


def carry_over(state: dict[str, Any], training: Training) -> None:
    """Go on from a saved training in a network with other branches.

    The branch weights and their optimiser state begin anew, and so does the schedule of the learning rate.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: the saved content is damaged (``DAMAGE``).
    """
    fresh = training.state_dict()

    def kept(part: str) -> dict[str, Any]:
        values, own = (
            {name: value for name, value in content[part].items() if not name.endswith(BRANCH_WEIGHTS)}
            for content in (state, fresh)
        )
        if values.keys() != own.keys():
            raise ValueError(f"{part} of another network")
        return {**fresh[part], **values}

    training.load_state_dict({**state, "epoch": 0, "network": kept("network"), "optimiser": kept("optimiser")})
