"""Dilated residual layers over packed frames, in the form that is fast on the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_space.layers.convolutions import BranchedConv, DilatedConv, LeftOut, PointwiseConv
from nas_space.layers.packed_branches import BranchedResidual
from nas_space.layers.packed_residual import PlainResiduals, infer_residuals, sample_dropout_mask


class DilatedResidualLayer(nn.Module):
    """Dilated convolution -> ReLU -> 1x1 convolution -> dropout -> add the input (Abu Farha and Gall, CVPR 2019, 3.1).

    With a dilation of 0 the layer is left out: it returns its input.

    Two forms compute the same: the packed one does many small operations on views, which is fast on a CPU; the padded
    one does a few large operations on the batch padded to its longest video, which is fast on a GPU, and also supports
    autocast, second derivatives and a ReLU within each branch. Their dropout masks differ.
    """

    def __init__(self, channels: int, kernel_size: int, dilation: int, dropout: float, causal: bool = False) -> None:
        super().__init__()
        self.conv_dilated: DilatedConv | LeftOut = LeftOut()
        self.conv_1x1: PointwiseConv | LeftOut = LeftOut()
        if dilation > 0:
            self.conv_dilated = DilatedConv(channels, channels, kernel_size, dilation, causal)
            self.conv_1x1 = PointwiseConv(channels, channels)
        self.dropout = nn.Dropout(dropout)

    def convolutions(self) -> tuple[DilatedConv, PointwiseConv] | None:
        """The two convolutions; None where the layer is left out."""
        conv, pointwise = self.conv_dilated, self.conv_1x1
        if isinstance(conv, LeftOut) or isinstance(pointwise, LeftOut):
            return None
        return conv, pointwise

    def forward(self, frames: Tensor, offsets: Sequence[int]) -> Tensor:
        """``(frames, channels)`` -> ``(frames, channels)``, in the form that is fast on the device."""
        both = self.convolutions()
        if both is None:
            return frames
        conv, pointwise = both
        if not is_packed(frames) or (isinstance(conv, BranchedConv) and conv.inner_activation):
            return self.padded(frames, offsets)
        if not isinstance(conv, BranchedConv):
            return plain_packed_layers([self], frames, offsets)
        mask = dropout_mask(self.dropout, frames)
        parameters = (conv.weight, conv.bias, conv.shares(), pointwise.weight, pointwise.bias)
        output = BranchedResidual.apply(frames, *parameters, conv.dilations, conv.present, offsets, mask)
        return keep_in_part(frames, output, conv.kept())

    def padded(self, frames: Tensor, offsets: Sequence[int]) -> Tensor:
        """As ``forward``, in the padded form."""
        both = self.convolutions()
        if both is None:
            return frames
        conv, pointwise = both
        output = frames + self.dropout(pointwise(F.relu(conv(frames, offsets))))
        return keep_in_part(frames, output, conv.kept() if isinstance(conv, BranchedConv) else None)


def keep_in_part(frames: Tensor, output: Tensor, kept: Tensor | None) -> Tensor:
    """Between the input of a layer and its output, with ``kept`` of the output; None: all of it."""
    return output if kept is None else torch.lerp(frames, output, kept)


def is_packed(frames: Tensor) -> bool:
    """Whether layers take their packed form for these frames: on a CPU, without autocast."""
    return frames.device.type == "cpu" and not torch.is_autocast_enabled("cpu")


def residual_layers(layers: Sequence[DilatedResidualLayer], frames: Tensor, offsets: Sequence[int]) -> Tensor:
    """Layers of equal dropout in sequence: ``(frames, channels)`` -> ``(frames, channels)``."""
    convs = [both[0] for layer in layers if (both := layer.convolutions()) is not None]
    alike = len({conv.present for conv in convs}) == 1 and not any(isinstance(conv, BranchedConv) for conv in convs)
    if is_packed(frames) and alike:
        return plain_packed_layers(layers, frames, offsets)
    for layer in layers:
        frames = layer(frames, offsets)
    return frames


def plain_packed_layers(layers: Sequence[DilatedResidualLayer], frames: Tensor, offsets: Sequence[int]) -> Tensor:
    """``residual_layers`` of one kernel size in one step, in the packed form; no layer may have branches."""
    kept = [both for layer in layers if (both := layer.convolutions()) is not None]
    if not kept:
        return frames
    mask = dropout_mask(layers[0].dropout, frames.expand(len(kept), *frames.shape))
    dilations = [conv.dilation[0] for conv, _ in kept]
    parameters = [cast(Tensor, one) for both in kept for each in both for one in (each.weight, each.bias)]
    present = kept[0][0].present
    if mask is None and not torch.is_grad_enabled():
        return infer_residuals(frames, offsets, dilations, present, parameters)
    return PlainResiduals.apply(frames, offsets, dilations, present, mask, *parameters)


def dropout_mask(dropout: nn.Dropout, frames: Tensor) -> Tensor | None:
    """The factor of dropout for each element of the frames; None if dropout is inactive."""
    return sample_dropout_mask(frames, dropout.p) if dropout.training and dropout.p > 0 else None
