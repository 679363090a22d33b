"""The prediction stage of MS-TCN++: dual dilated layers over packed frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_space.layers.convolutions import BranchedConv, DilatedConv, PointwiseConv
from nas_space.layers.packed_branches import BranchedSum
from nas_space.layers.packed_conv import PackedConv
from nas_space.layers.packed_videos import PackedVideos
from nas_space.layers.residual import dropout_mask, is_packed
from nas_space.layers.stages import DROPOUT, read_features


class DualStage(nn.Module):
    """The prediction stage of MS-TCN++ (Li et al., TPAMI 2020, section 4.1): dual dilated layers, kernel size 3.

    Each is x -> x + dropout(relu(W [conv_1(x), conv_2(x)] + b)).
    """

    def __init__(
        self, in_channels: int, channels: int, classes: int, first: Sequence[int], second: Sequence[int]
    ) -> None:
        """``first`` and ``second``: dilations of the first and the second convolution of each layer."""
        super().__init__()
        self.conv_1x1_in = PointwiseConv(in_channels, channels)
        self.conv_dilated_1 = nn.ModuleList(DilatedConv(channels, channels, 3, dilation) for dilation in first)
        self.conv_dilated_2 = nn.ModuleList(DilatedConv(channels, channels, 3, dilation) for dilation in second)
        self.conv_fusion = nn.ModuleList(PointwiseConv(2 * channels, channels) for _ in first)
        self.dropout = nn.Dropout(DROPOUT)
        self.conv_out = PointwiseConv(channels, classes)

    def forward(self, videos: PackedVideos) -> Tensor:
        """Videos of ``in_channels`` -> logits ``(frames, classes)``."""
        hidden = read_features(self.conv_1x1_in, videos)
        for first, second, fusion in zip(self.conv_dilated_1, self.conv_dilated_2, self.conv_fusion, strict=True):
            both = [convolve(each, hidden, videos.offsets) for each in (first, second)]
            change = F.relu(fusion(torch.cat(both, dim=1)))
            # On a CPU, PyTorch's own dropout would take an eighth of a step.
            mask = dropout_mask(self.dropout, change) if is_packed(hidden) else None
            hidden = hidden + (self.dropout(change) if mask is None else change * mask)
        return self.conv_out(hidden)


def convolve(conv: nn.Module, frames: Tensor, offsets: Sequence[int]) -> Tensor:
    """A dilated convolution, with or without branches, in the form that is fast on the device."""
    conv = cast(DilatedConv, conv)
    activated = isinstance(conv, BranchedConv) and conv.inner_activation
    if not is_packed(frames) or activated:
        return conv(frames, offsets)
    if isinstance(conv, BranchedConv):
        shares = conv.probabilities()
        return BranchedSum.apply(frames, conv.weight, conv.bias, shares, conv.branches, conv.present, offsets)
    return PackedConv.apply(frames, conv.weight, conv.bias, conv.dilation[0], conv.present, offsets)
