"""Several networks at once on the same videos: in each product, a matrix for each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_space.layers.convolutions import DilatedConv, PointwiseConv
from nas_space.layers.on_gpu.indexed_offsets import IndexedOffsets
from nas_space.layers.packed_videos import PackedVideos
from nas_space.layers.residual import gathered_layers, kind_of
from nas_space.layers.stages import Stage, StagedNetwork


class SideBySide(nn.Module):
    """Networks that differ in their dilations and weights only, in the gathered form.

    A small network leaves most of a GPU idle; several of them launch hardly more operators than one. As the loss is a
    sum over outputs, and Adam works number by number, training this trains each of them as if it were alone.
    """

    def __init__(self, networks: Sequence[StagedNetwork]) -> None:
        """Raises ValueError for networks that differ in more, or whose stages are not those of MS-TCN."""
        super().__init__()
        self.networks = nn.ModuleList(networks)
        layers = [both for network in networks for stage in network.applied() for both in _layers_of(stage)]
        kinds = {kind_of(conv) for conv, _ in layers}
        sizes = {tuple((name, weight.shape) for name, weight in each.state_dict().items()) for each in networks}
        dropouts = {module.p for module in self.modules() if isinstance(module, nn.Dropout)}
        if None in kinds or not len(kinds) == len(sizes) == len(dropouts) == 1:
            raise ValueError("networks side by side must be alike, and so must all of their layers")

    def forward(self, videos: PackedVideos) -> Tensor:
        """Videos whose offsets are indexed -> logits ``(stages x networks, frames, classes)``, stage by stage."""
        offsets, inputs = videos.offsets, videos.features
        assert isinstance(offsets, IndexedOffsets)
        logits = []
        for stages in zip(*(cast(StagedNetwork, network).applied() for network in self.networks), strict=True):
            of_each = cast(Sequence[Stage], stages)
            frames = _pointwise([stage.conv_1x1 for stage in of_each], inputs)
            dropout = cast(nn.Dropout, of_each[0].layers[0].dropout)
            frames = gathered_layers([_layers_of(stage) for stage in stages], dropout, frames, offsets)
            logits.append(_pointwise([stage.conv_out for stage in of_each], frames))
            inputs = F.softmax(logits[-1], dim=-1)
        return torch.cat(logits)


def _layers_of(stage: nn.Module) -> list[tuple[DilatedConv, PointwiseConv]]:
    if not isinstance(stage, Stage):
        raise ValueError(f"not a stage of MS-TCN: {type(stage).__name__}")
    return [both for layer in stage.layers if (both := layer.convolutions()) is not None]  # type: ignore[operator]


def _pointwise(convs: Sequence[PointwiseConv], frames: Tensor) -> Tensor:
    """``(networks, frames, in)``, or ``(frames, in)`` for all -> ``(networks, frames, out)``."""
    weights = torch.stack([conv.weight.squeeze(2) for conv in convs])
    biases = torch.stack([cast(Tensor, conv.bias) for conv in convs])
    if frames.ndim == 2:  # all features in one product, which reads them once
        return F.linear(frames, weights.flatten(0, 1), biases.flatten()).unflatten(1, (len(convs), -1)).transpose(0, 1)
    return torch.baddbmm(biases.unsqueeze(1), frames, weights.mT)
