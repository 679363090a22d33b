"""One iteration of the local search: train a network with branches around its dilations, resuming the previous one."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from common.bad_input import BadInput
from nas_space.branching import Branching
from nas_space.layers.branches import BRANCH_WEIGHTS
from nas_space.searchable import expand, probabilities
from nas_space.structure import Structure
from trials.data.fingerprint import DataRecord
from trials.training.checkpoint import DAMAGE, load_torch, save_torch
from trials.training.epochs import SearchTraining
from trials.training.event_files import AddScalars, scalars_of
from trials.training.metrics import METRICS
from trials.training.training import NonFiniteLoss, Training


@dataclass(frozen=True)
class BranchedTraining(SearchTraining):
    """Trains branched networks, one iteration at a time; ``settings.epochs`` are those of one iteration."""

    branching: Branching
    inner_activation: bool = False

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace, split: int, branching: Branching) -> BranchedTraining:
        """The training that the options name."""
        return cls(*cls.fields_from(arguments, split), branching, arguments.inner_activation)

    def train(
        self,
        structure: Structure,
        iteration: int,
        folder: Path,
        device: torch.device,
        after_epoch: Callable[[dict[str, float]], object] = lambda _: None,
        add_scalars: AddScalars = lambda *_: None,
        earlier: Sequence[Structure] | None = None,
        record: DataRecord | None = None,
    ) -> dict[str, list[float]]:
        """Train one iteration (counted from 0) of the chain whose checkpoints are in ``folder``.

        It starts from the weights, optimizer state and random state saved by the previous iteration, and saves its own;
        only the branch weights and their optimizer state are reset. Repeated, it gives the same numbers on a CPU.

        Args:
            after_epoch: called with the validation metrics.
            add_scalars: called with these and the expected dilation of each layer; counts epochs over the whole chain.
            earlier: the structures of all iterations before. Those whose checkpoints are lost are trained again first,
                from the last one that can be loaded. None: a lost checkpoint is refused.
            record: of the data that the whole search reads; None: a new one.

        Returns:
            The branch probabilities by short label.

        Raises:
            BadInput: the checkpoint of the previous iteration is missing or damaged, or it is of another network or
                data set, or the data has changed since.
        """
        self.branching.check(structure)
        record = record or self.data_record(folder)
        before = None if iteration == 0 else self._previous(iteration, folder, device, earlier, record)
        dataset = self.task.dataset
        feature_dim = dataset.feature_dim(self.train_videos[0])
        training = self.start(
            structure, device, lambda network: expand(network, structure, self.branching, self.inner_activation)
        )
        network = training.network
        if before is not None:
            path = iteration_path(folder, iteration - 1)
            record.compare(before.get("data"), path)
            if before.get("classes") != list(dataset.classes) or before.get("feature_dim") != feature_dim:
                raise BadInput(f"{path}: of another data set (classes or feature dimension differ)")
            try:
                same = _weight_shapes(before["training"]["network"]) == _weight_shapes(network.state_dict())
                if same:
                    _carry_over(before["training"], training)
            except DAMAGE as fault:
                raise BadInput(f"{path}: damaged ({fault!r}); start again in another folder") from None
            if not same:
                raise BadInput(f"{path}: of another network (its layers differ)")
        for row in self.epochs(training):
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

    def _previous(
        self,
        iteration: int,
        folder: Path,
        device: torch.device,
        earlier: Sequence[Structure] | None,
        record: DataRecord,
    ) -> dict[str, Any]:
        """The checkpoint of the iteration before this one, which is trained again if that is lost.

        Raises:
            BadInput: it is lost, and ``earlier`` is None, or a folder stands in its place.
        """
        path = iteration_path(folder, iteration - 1)
        if earlier is not None and not path.is_dir():
            try:
                return load_torch(path)
            except BadInput as lost:
                print(f"{lost}: that iteration is trained again", file=sys.stderr, flush=True)
            *before, structure = earlier
            self.train(structure, iteration - 1, folder, device, earlier=before, record=record)
        return load_torch(path)

    def _expected_dilations(self, structure: Structure, learned: dict[str, list[float]]) -> dict[str, float]:
        """The expectation over the branches of each layer, not rounded, by tag."""
        branches = self.branching.branches(structure)
        return {
            f"dilation/{label}": sum(p * d for p, d in zip(learned[label], branches[label], strict=True))
            for label in branches
        }


def iteration_path(folder: Path, iteration: int) -> Path:
    """The checkpoint of an iteration."""
    return folder / f"iteration_{iteration}.pt"


def _without_branches(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if not name.endswith(BRANCH_WEIGHTS)}


def _weight_shapes(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in _without_branches(weights).items()}


def _carry_over(state: dict[str, Any], training: Training) -> None:
    """Resume a saved training in a network with other branches.

    The branch weights, their optimizer state and the schedule of the learning rate are reset.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: the saved content is damaged (``DAMAGE``).
    """
    initial, merged = training.state_dict(), {}
    for part in ("network", "optimiser"):
        saved = _without_branches(state[part])
        if saved.keys() != _without_branches(initial[part]).keys():
            raise ValueError(f"{part} of another network")
        merged[part] = {**initial[part], **saved}
    training.load_state_dict({**state, "epoch": 0, **merged})
