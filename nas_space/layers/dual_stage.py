"""The prediction stage of MS-TCN++: dual dilated layers over packed frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_space.layers.convolutions import BranchedConv, DilatedConv, LeftOut, PointwiseConv
from nas_space.layers.on_cpu.packed_branches import BranchedSum
from nas_space.layers.on_cpu.packed_conv import PackedConv
from nas_space.layers.packed_videos import PackedVideos
from nas_space.layers.residual import dropout_mask, is_packed, keep_in_part
from nas_space.layers.stages import DROPOUT, read_features


class DualStage(nn.Module):
    """The prediction stage of MS-TCN++ (Li et al., TPAMI 2020, section 4.1): dual dilated layers, kernel size 3.

    Each is x -> x + dropout(relu(W [conv_1(x), conv_2(x)] + b)). A convolution of dilation 0 is left out, with its half
    of W; the layer is left out if both are.
    """

    def __init__(
        self, in_channels: int, channels: int, classes: int, first: Sequence[int], second: Sequence[int]
    ) -> None:
        """``first`` and ``second``: dilations of the first and the second convolution of each layer."""
        super().__init__()
        self.conv_1x1_in = PointwiseConv(in_channels, channels)
        self.conv_dilated_1 = nn.ModuleList(_convolution(channels, dilation) for dilation in first)
        self.conv_dilated_2 = nn.ModuleList(_convolution(channels, dilation) for dilation in second)
        kept = [(one > 0) + (other > 0) for one, other in zip(first, second, strict=True)]
        self.conv_fusion = nn.ModuleList(
            PointwiseConv(each * channels, channels) if each else LeftOut() for each in kept
        )
        self.dropout = nn.Dropout(DROPOUT)
        self.conv_out = PointwiseConv(channels, classes)

    def forward(self, videos: PackedVideos) -> Tensor:
        """Videos of ``in_channels`` -> logits ``(frames, classes)``."""
        hidden = read_features(self.conv_1x1_in, videos)
        for first, second, fusion in zip(self.conv_dilated_1, self.conv_dilated_2, self.conv_fusion, strict=True):
            pair = [cast(DilatedConv | LeftOut, first), cast(DilatedConv | LeftOut, second)]
            if not all(isinstance(conv, LeftOut) for conv in pair):
                hidden = self._dual_layer(pair, cast(PointwiseConv, fusion), hidden, videos.offsets)
        return self.conv_out(hidden)

    def _dual_layer(
        self, pair: Sequence[DilatedConv | LeftOut], fusion: PointwiseConv, hidden: Tensor, offsets: Sequence[int]
    ) -> Tensor:
        """A layer of which at least one convolution is kept."""
        both = [None if isinstance(conv, LeftOut) else convolve(conv, hidden, offsets) for conv in pair]
        if fusion.in_channels == 2 * hidden.shape[1]:  # also where one was left out of a network that had both
            outputs = [torch.zeros_like(hidden) if each is None else each for each in both]
        else:
            outputs = [each for each in both if each is not None]
        change = F.relu(fusion(torch.cat(outputs, dim=1)))
        # On a CPU, PyTorch's own dropout would take an eighth of a step.
        mask = dropout_mask(self.dropout, change) if is_packed(hidden, offsets) else None
        output = hidden + (self.dropout(change) if mask is None else change * mask)
        return keep_in_part(hidden, output, _kept(pair))


def _convolution(channels: int, dilation: int) -> DilatedConv | LeftOut:
    return DilatedConv(channels, channels, 3, dilation) if dilation > 0 else LeftOut()


def _kept(pair: Sequence[DilatedConv | LeftOut]) -> Tensor | None:
    """The probability that not both are left out; None where that is no choice."""
    left_out = _left_out(pair[0]) * _left_out(pair[1])
    return 1 - left_out if isinstance(left_out, Tensor) else None


def _left_out(conv: DilatedConv | LeftOut) -> Tensor | float:
    """The probability that a convolution is left out."""
    if isinstance(conv, LeftOut):
        return 1.0
    kept = conv.kept() if isinstance(conv, BranchedConv) else None
    return 0.0 if kept is None else 1 - kept


def convolve(conv: DilatedConv, frames: Tensor, offsets: Sequence[int]) -> Tensor:
    """A dilated convolution, with or without branches, in the form that is fast on the device.

    A branch of dilation 0 gives zeros.
    """
    if isinstance(conv, BranchedConv):
        kept = conv.kept()
        if not is_packed(frames, offsets) or conv.inner_activation:
            output = conv(frames, offsets)
        else:
            parameters = conv.weight, conv.bias, conv.shares()
            output = BranchedSum.apply(frames, *parameters, conv.dilations, conv.present, offsets)
        return output if kept is None else output * kept
    if not is_packed(frames, offsets):
        return conv(frames, offsets)
    return PackedConv.apply(frames, conv.weight, conv.bias, conv.dilation[0], conv.present, offsets)
