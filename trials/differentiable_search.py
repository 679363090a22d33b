"""The differentiable global search: one training of a network whose layers choose among all candidates at once.

Every layer has a branch for each candidate dilation; the branches share its weights, and their probabilities are learnt
with them. A temperature that falls makes each layer decide, so that the network at the end is nearly the one that its
most probable dilations make. It is how DARTS (Liu et al., ICLR 2019) searches, over the global space of Global2Local.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from nas_space.bad_input import BadInput
from nas_space.ms_tcn import MSTCN, branch_probabilities, choose_among, collapse_network, set_temperature
from nas_space.shape import MSTCNShape
from nas_space.structure import Structure
from trials.checkpoint import DAMAGE, load_torch, save_torch
from trials.data_arguments import Task
from trials.training import Training, TrainingSettings, score_network

BRANCH_LEARNING_RATE = 0.03
COOLED = 0.8
"""Share of the training after which it stays as cold as it gets."""
COLDEST = 0.02


def temperature(epoch: int, epochs: int) -> float:
    """The temperature in an epoch, counted from 0: it falls evenly from 1."""
    return max(COLDEST, 1 - epoch / (COOLED * epochs))


def most_probable(probabilities: Mapping[str, Sequence[float]], candidates: Sequence[int]) -> dict[str, int]:
    """The most probable candidate of each layer, by short label; of equals, the first."""
    return {label: candidates[learnt.index(max(learnt))] for label, learnt in probabilities.items()}


@dataclass(frozen=True)
class Found:
    """What a search has found."""

    structure: Structure
    """The most probable dilation of each layer."""
    probabilities: dict[str, list[float]]
    """Of the candidates, by short label."""
    metrics: dict[str, float]
    """Of the network with that structure and the weights of the search, on the validation videos."""


@dataclass(frozen=True)
class DifferentiableSearch:
    """What a search needs: data, network, candidates, schedule."""

    task: Task
    train_videos: tuple[str, ...]
    validation_videos: tuple[str, ...]
    settings: TrainingSettings
    candidates: tuple[int, ...]
    shape: MSTCNShape
    branch_learning_rate: float = BRANCH_LEARNING_RATE
    channels: int = 64

    def run(
        self, folder: Path, device: torch.device, after_epoch: Callable[[dict[str, float]], object] = lambda _: None
    ) -> Found:
        """Search, or go on with the search that ``folder`` holds; with the same numbers on a CPU.

        Args:
            after_epoch: is given the loss, the temperature and the validation metrics of the mixture.

        Raises:
            BadInput: the data is faulty, or ``folder`` holds a search of another network or data set.
            NonFiniteLoss: the training failed.
        """
        dataset = self.task.dataset
        torch.manual_seed(self.settings.seed)
        feature_dim = dataset.feature_dim(self.train_videos[0])
        network = MSTCN(Structure.hand(self.shape), feature_dim, len(dataset.classes), self.channels)
        choose_among(network, self.candidates)
        training = Training(network, self.settings, device, self.branch_learning_rate)
        dataset.check(self.train_videos + self.validation_videos, feature_dim)
        path = folder / "search.pt"
        if path.exists():
            try:
                training.load_state_dict(load_torch(path)["training"])
            except DAMAGE as fault:
                raise BadInput(f"{path}: damaged, or of another search ({fault!r}); choose another folder") from None
        while training.epoch < self.settings.epochs:
            heat = temperature(training.epoch, self.settings.epochs)
            set_temperature(network, heat)
            loss = training.run_epoch(dataset, self.train_videos)
            metrics = score_network(network, dataset, self.validation_videos, self.task.background, device)
            after_epoch({"loss": loss, "temperature": heat, **metrics})
            save_torch(path, {"training": training.state_dict()})
        probabilities = branch_probabilities(network)
        structure = Structure.from_labels(most_probable(probabilities, self.candidates), self.shape)
        collapse_network(network, structure)
        metrics = score_network(network, dataset, self.validation_videos, self.task.background, device)
        return Found(structure, probabilities, metrics)
