"""What the tests of networks share."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from nas_space.layers.packed_videos import PackedVideos


def packed(features: Tensor, offsets: Sequence[int]) -> PackedVideos:
    """Videos as a network takes them."""
    return PackedVideos(features, tuple(offsets))


def with_dropout(module: nn.Module, probability: float) -> nn.Module:
    """The same module, with another dropout."""
    for each in module.modules():
        if isinstance(each, nn.Dropout):
            each.p = probability
    return module
