"""A training step whose operators are recorded once for each number of frames, and then replayed.

On a GPU the record is a CUDA graph, which the processor launches as one operator in place of some hundreds. Elsewhere
the step is computed again each time, on the same memory. What is recorded reads its batch from memory that stays where
it is. A batch is filled up with frames that belong to no video, to one of a few sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from nas_space.layers.branches import Branches
from nas_space.layers.foreign_network import ForeignNetwork
from nas_space.layers.on_gpu.indexed_offsets import IndexedOffsets, outside
from nas_space.layers.packed_videos import PackedVideos
from trials.data.batches import Batch
from trials.training.cuda_graphs import graphs_on
from trials.training.loss import NO_LABEL
from trials.training.settings import check_cuda_graph


class ReplayedStep:
    """Loss and gradients of batches. A GPU is not waited for, except while a step is recorded."""

    def __init__(
        self, loss: Callable[[Batch], Tensor], parameters: Sequence[nn.Parameter], frames: int, channels: int
    ) -> None:
        """Record a step on as many frames as a batch has at most: the records of smaller ones share its memory.

        Args:
            loss: of a batch whose offsets are indexed. In every call it does the same operators, on tensors that stay
                where they are.
            frames: of the largest batch.
            channels: of the features.
        """
        size, device = rounded(frames), parameters[0].device
        self._loss_of, self._parameters = loss, parameters
        self._features = parameters[0].new_zeros(size, channels)
        self._labels = torch.full((size,), NO_LABEL, device=device)
        self._outside = outside(device, size)
        self._bounds = self._outside.clone()
        self._gradients = [torch.zeros_like(parameter) for parameter in parameters]
        self._loss = parameters[0].new_zeros(())
        self._replays = {size: self._recorded(size)}

    def loss(self, batch: Batch) -> Tensor:
        """The loss of a batch; afterwards the parameters have its gradients.

        Args:
            batch: its offsets are indexed.
        """
        offsets = batch.videos.offsets
        assert isinstance(offsets, IndexedOffsets)
        frames = len(batch.labels)
        size = rounded(frames)
        self._features[:frames].copy_(batch.videos.features)
        self._features[frames:size].zero_()
        self._labels[:frames].copy_(batch.labels)
        self._labels[frames:size].fill_(NO_LABEL)
        self._bounds[:, :frames].copy_(offsets.bounds)
        self._bounds[:, frames:size].copy_(self._outside[:, frames:size])
        if size not in self._replays:
            self._replays[size] = self._recorded(size)
        self._replays[size]()
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = gradient
        return self._loss.clone()

    def _compute(self, size: int) -> None:
        videos = PackedVideos(self._features[:size], IndexedOffsets.of(self._bounds[:, :size]))
        loss = self._loss_of(Batch(videos, self._labels[:size]))
        torch._foreach_copy_(self._gradients, torch.autograd.grad(loss, self._parameters))
        self._loss.copy_(loss.detach())

    def _recorded(self, size: int) -> Callable[[], object]:
        """A function that computes the step on so many frames again."""
        device, compute = self._features.device, partial(self._compute, size)
        return graphs_on(device).record(compute) if device.type == "cuda" else compute


def rounded(frames: int) -> int:
    """The frames rounded up to four binary digits: at most an eighth more, and eight sizes from each to its double."""
    unit = 1 << max(0, frames.bit_length() - 4)
    return -(-frames // unit) * unit


def check_replayable(network: nn.Module) -> None:
    """See ``check_cuda_graph``."""
    own = network.name if isinstance(network, ForeignNetwork) else None
    check_cuda_graph(own, any(isinstance(each, Branches) and each.inner_activation for each in network.modules()))
