"""Train a network on packed batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from common.bad_input import BadInput, KnownFailure
from nas_space.layers.branches import BRANCH_WEIGHTS
from nni_api.epoch_file import EpochNotes
from trials.data.batches import Batch
from trials.data.dataset import Dataset
from trials.data.device_videos import DeviceVideos
from trials.training.adam import Adam
from trials.training.device import set_products
from trials.training.loss import segmentation_loss
from trials.training.replayed_step import ReplayedStep, check_replayable
from trials.training.settings import TrainingSettings


class NonFiniteLoss(KnownFailure):
    """The loss became NaN or infinite."""


class Training:
    """A training in progress: network, optimizer, schedule and random generators, between two epochs.

    The weights should be initialised after ``torch.manual_seed``; dropout samples from torch's global generator, which
    this class seeds, saves and restores, because torch.nn.Dropout takes no other.
    """

    def __init__(self, network: nn.Module, settings: TrainingSettings, device: torch.device) -> None:
        if settings.precision != "float32" and device.type != "cuda":
            raise BadInput(f"--precision {settings.precision} needs a CUDA device")
        if settings.cuda_graph and device.type != "cuda":
            raise BadInput("--cuda-graph needs a CUDA device")
        set_products(settings.precision)
        self.network = network.to(device)
        self.settings = settings
        self.device = device
        self.epoch = 0
        self.optimizer = Adam(self.network.named_parameters())
        self.branch_learning_rate: float | None = None
        """That of branch weights; None: as for all others."""
        self._branches = [name for name in self.optimizer.parameters if name.endswith(BRANCH_WEIGHTS)]
        self.replayed: ReplayedStep | None = None
        """How steps are computed, if not operator by operator."""
        self.average: dict[str, Tensor] | None = None
        """Mean of the weights after each of the last epochs so far; None before the first of those."""
        self.shuffling = torch.Generator().manual_seed(settings.seed)
        self._notes = EpochNotes()
        self._videos: dict[Dataset, DeviceVideos] = {}
        torch.manual_seed(settings.seed)

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next epoch."""
        decays = sum(self.epoch >= epoch for epoch in self.settings.decay_epochs)
        return self.settings.learning_rate * 0.1**decays

    def run_epoch(
        self, dataset: Dataset, videos: Sequence[str], after_step: Callable[[], object] = lambda: None
    ) -> float:
        """Train on every video once, in random order; returns the mean loss of the steps.

        Raises:
            NonFiniteLoss: the loss of a step is NaN or infinite; the message names the epoch and the videos. On a GPU
                it is noticed at the end of the epoch.
        """
        self.network.train()
        self._notes.begin(self.epoch, self.settings.epochs)
        size = self.settings.batch_size
        order = [videos[index] for index in torch.randperm(len(videos), generator=self.shuffling).tolist()]
        groups = [order[start : start + size] for start in range(0, len(order), size)]
        losses: list[Tensor] = []
        on_device = self.videos(dataset)
        if self.settings.cuda_graph and self.replayed is None:
            self.replay(sum(sorted(map(dataset.frames, videos))[-size:]), dataset.feature_dim(videos[0]))
        batches = on_device.batches(groups)
        for _ in groups:
            # Without a name, a batch is gone before the next one is read: else two would be in memory.
            losses.append(self.step(next(batches)))
            if on_device.spare is None:  # on a GPU, reading a loss would wait for the step
                self._check_losses(losses, groups, len(losses) - 1)
            after_step()
        values = self._check_losses(losses, groups)
        self.epoch += 1
        self._update_average()
        self._notes.end(self.epoch, self.settings.epochs)
        return float(np.mean(values))

    def videos(self, dataset: Dataset) -> DeviceVideos:
        """The videos of a data set on the device of this training, where they stay if they fit."""
        if dataset not in self._videos:
            self._videos[dataset] = DeviceVideos.on(dataset, self.device)
        return self._videos[dataset]

    def _check_losses(self, losses: Sequence[Tensor], groups: Sequence[Sequence[str]], first: int = 0) -> list[float]:
        """The losses of the steps from ``first`` on, of these groups of videos, as numbers."""
        values: list[float] = torch.stack(list(losses[first:])).tolist()
        for loss, names in zip(values, groups[first:], strict=False):
            if not math.isfinite(loss):
                raise NonFiniteLoss(
                    f"the loss is {loss} in epoch {self.epoch + 1} on {', '.join(names)}: "
                    "lower the learning rate, or scale the features (to mean 0 and deviation 1, say)"
                )
        return values

    def step(self, batch: Batch) -> Tensor:
        """One optimizer step; returns the loss, which is not waited for."""
        self.optimizer.zero_grad()  # first, so that old gradients do not take memory beside the activations
        if self.replayed is None:
            loss = batch_loss(self.network, self.settings, batch)
            loss.backward()
        else:
            loss = self.replayed.loss(batch)
        rate = self.branch_learning_rate
        self.optimizer.step(self.learning_rate, {} if rate is None else dict.fromkeys(self._branches, rate))
        return loss.detach()

    def replay(self, frames: int, channels: int) -> None:
        """From now on, replay the steps on batches of up to so many frames; see ``ReplayedStep``.

        Raises:
            BadInput: the steps of this network cannot be replayed.
        """
        check_replayable(self.network)
        self.network.train()
        # Nothing here refers to this training: it would hold its memory on the GPU until Python looks for cycles.
        loss = partial(batch_loss, self.network, self.settings)
        self.replayed = ReplayedStep(loss, list(self.network.parameters()), frames, channels)

    def _update_average(self) -> None:
        averaged = self.settings.averaged_epochs(self.epoch)
        if averaged == 1:
            self.average = _copied(self.network.state_dict())
        elif self.average is not None:
            for name, weight in self.network.state_dict().items():
                if weight.is_floating_point():
                    self.average[name].lerp_(weight, 1 / averaged)
                else:  # such as batch normalisation's count of batches
                    self.average[name].copy_(weight)

    @property
    def scored_weights(self) -> dict[str, Tensor]:
        """The weights that are scored and kept: the average if there is one, else those of the network."""
        return self.network.state_dict() if self.average is None else self.average

    @contextmanager
    def scored_network(self) -> Iterator[nn.Module]:
        """The network with ``scored_weights``; afterwards it has its own again, with which the training goes on."""
        if self.average is None:
            yield self.network
            return
        own = _copied(self.network.state_dict())
        self.network.load_state_dict(self.average)
        try:
            yield self.network
        finally:
            self.network.load_state_dict(own)

    def state_dict(self) -> dict[str, Any]:
        """All that a killed training needs to resume and end with the same numbers."""
        return {
            "epoch": self.epoch,
            "network": self.network.state_dict(),
            "optimiser": self.optimizer.moments,
            "shuffling": self.shuffling.get_state(),
            "dropout": torch.get_rng_state(),
            "cuda_dropout": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
            **({} if self.average is None else {"average": self.average}),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a saved state."""
        self.epoch = state["epoch"]
        self.average = None
        if self.settings.averaged_epochs(self.epoch):
            self.network.load_state_dict(state["average"])  # to check that it fits
            self.average = _copied(self.network.state_dict())
        self.network.load_state_dict(state["network"])
        self.optimizer.load(state["optimiser"])
        self.shuffling.set_state(state["shuffling"])
        torch.set_rng_state(state["dropout"])
        if state["cuda_dropout"] is not None and self.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda_dropout"], self.device)


def batch_loss(network: nn.Module, settings: TrainingSettings, batch: Batch) -> Tensor:
    """The loss of a batch, from which gradients can be computed."""
    is_bf16 = settings.precision == "bf16"
    with torch.autocast(batch.labels.device.type, torch.bfloat16) if is_bf16 else nullcontext():
        logits = network(batch.videos)
    return segmentation_loss(
        logits, batch.labels, batch.videos.offsets, settings.smoothing_weight, settings.smoothing_average
    )


def _copied(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: weight.clone() for name, weight in weights.items()}
