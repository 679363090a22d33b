"""Stages of dilated layers over packed frames, and networks of stages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_space.layers.convolutions import PointwiseConv
from nas_space.layers.on_cpu.mapped_features import MappedLinear
from nas_space.layers.packed_videos import PackedVideos
from nas_space.layers.residual import DilatedResidualLayer, residual_layers

DROPOUT = 0.5


class Stage(nn.Module):
    """One stage: 1x1 convolution to the channels of the layers, the dilated layers, 1x1 convolution to the classes."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        classes: int,
        kernel_size: int,
        dilations: Sequence[int],
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.conv_1x1 = PointwiseConv(in_channels, channels)
        self.layers = nn.ModuleList(
            DilatedResidualLayer(channels, kernel_size, dilation, DROPOUT, causal) for dilation in dilations
        )
        self.conv_out = PointwiseConv(channels, classes)

    def forward(self, videos: PackedVideos) -> Tensor:
        """Videos of ``in_channels`` -> logits ``(frames, classes)``."""
        layers = cast(Sequence[DilatedResidualLayer], self.layers)
        return self.conv_out(residual_layers(layers, read_features(self.conv_1x1, videos), videos.offsets))


def read_features(conv: PointwiseConv, videos: PackedVideos) -> Tensor:
    """The first convolution of a network or a stage: videos -> ``(frames, out_channels)``."""
    if videos.release is None:
        return conv(videos.features)
    return MappedLinear.apply(videos.features, conv.weight[:, :, 0], conv.bias, videos.release)


class StagedNetwork(nn.Module):
    """Stages in sequence: the first reads features, each later one the softmax of the previous one's logits."""

    def __init__(self, repeats: int = 1, **stages: nn.Module) -> None:
        """``stages``: a stage, then a list of the later ones, by their names in the state dict.

        ``repeats``: how often all later stages are applied.
        """
        super().__init__()
        self.repeats = repeats
        for name, stage in stages.items():
            self.add_module(name, stage)

    def applied(self) -> list[nn.Module]:
        """The stages in the order in which they are applied."""
        first, later = self.children()
        return [first, *self.repeats * list(cast(nn.ModuleList, later))]

    def forward(self, videos: PackedVideos) -> Tensor:
        """Videos of feature vectors -> logits ``(stages, frames, classes)``."""
        first, *later = self.applied()
        logits = [first(videos)]
        for stage in later:
            logits.append(stage(PackedVideos(F.softmax(logits[-1], dim=-1), videos.offsets)))
        return torch.stack(logits)
