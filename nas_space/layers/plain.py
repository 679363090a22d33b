"""A trained network in nn.Conv1d and little else, over one video: for other runtimes, and as an oracle.

The packed form cannot be exported: it was written for one length of video at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_space.layers.convolutions import BranchedConv, DilatedConv, LeftOut, PointwiseConv
from nas_space.layers.dual_stage import DualStage
from nas_space.layers.foreign_network import ForeignNetwork
from nas_space.layers.residual import DilatedResidualLayer
from nas_space.layers.stages import Stage, StagedNetwork


class PlainNetwork(nn.Module):
    """``(1, channels, frames)`` -> logits ``(1, classes, frames)`` of the last output, without dropout."""

    def __init__(self, network: nn.Module) -> None:
        """``network``: one of ``nas_space.networks.build``. Weights are shared, but those of branches are copied."""
        super().__init__()
        if isinstance(network, ForeignNetwork):
            stages: list[nn.Module] = [_LastOutput(network.net)]
        elif isinstance(network, StagedNetwork):
            stages = [_stage(stage) for stage in network.applied()]
        else:
            raise TypeError(f"not a network of nas_space.networks: {type(network).__name__}")
        self.stages = nn.ModuleList(stages)
        self.eval()

    def forward(self, frames: Tensor) -> Tensor:
        first, *later = self.stages
        logits: Tensor = first(frames)
        for stage in later:
            logits = stage(F.softmax(logits, dim=1))
        return logits


class _LastOutput(nn.Module):
    """The last output of a module that may have several; see ``foreign_network.logits``."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, frames: Tensor) -> Tensor:
        result = self.net(frames)
        last: Tensor = result[-1] if isinstance(result, list | tuple) or result.ndim == 4 else result
        return last


class _Sum(nn.ModuleList):
    """The sum of convolutions of one input."""

    def forward(self, frames: Tensor) -> Tensor:
        first, *others = self
        total: Tensor = first(frames)
        for conv in others:
            total = total + conv(frames)
        return total


class _Residual(nn.Module):
    """x -> x + W relu(conv(x)) + b."""

    def __init__(self, conv: nn.Module, pointwise: nn.Module) -> None:
        super().__init__()
        self.conv, self.pointwise = conv, pointwise

    def forward(self, frames: Tensor) -> Tensor:
        change: Tensor = self.pointwise(F.relu(self.conv(frames)))
        return frames + change


class _Dual(nn.Module):
    """x -> x + relu(W [conv_1(x), conv_2(x)] + b)."""

    def __init__(self, convs: Sequence[nn.Module], fusion: nn.Module) -> None:
        super().__init__()
        self.convs, self.fusion = nn.ModuleList(convs), fusion

    def forward(self, frames: Tensor) -> Tensor:
        both = torch.cat([conv(frames) for conv in self.convs], dim=1)
        return frames + F.relu(self.fusion(both))


def _stage(stage: nn.Module) -> nn.Module:
    if isinstance(stage, Stage):
        layers = [_residual(cast(DilatedResidualLayer, layer)) for layer in stage.layers]
        ends = stage.conv_1x1, stage.conv_out
    elif isinstance(stage, DualStage):
        columns = stage.conv_dilated_1, stage.conv_dilated_2, stage.conv_fusion
        layers = [_dual([first, second], fusion) for first, second, fusion in zip(*columns, strict=True)]
        ends = stage.conv_1x1_in, stage.conv_out
    else:
        raise TypeError(f"not a stage of nas_space.layers: {type(stage).__name__}")
    return nn.Sequential(_pointwise(ends[0]), *(layer for layer in layers if layer is not None), _pointwise(ends[1]))


def _residual(layer: DilatedResidualLayer) -> nn.Module | None:
    """None for a layer that is left out."""
    both = layer.convolutions()
    return None if both is None else _Residual(_convolution(both[0]), _pointwise(both[1]))


def _dual(pair: Sequence[nn.Module], fusion: nn.Module) -> nn.Module | None:
    kept = [_convolution(conv) for conv in pair if isinstance(conv, DilatedConv)]
    return None if isinstance(fusion, LeftOut) else _Dual(kept, _pointwise(cast(PointwiseConv, fusion)))


def _pointwise(conv: PointwiseConv) -> nn.Module:
    return _conv1d(conv.weight, conv.bias)


def _convolution(conv: DilatedConv) -> nn.Module:
    if not isinstance(conv, BranchedConv):
        return _padded(conv, conv.weight, conv.bias, conv.dilation[0])
    if conv.inner_activation or conv.kept() is not None:
        raise TypeError("a network that is searched has no plain form")
    shares = zip(conv.shares(), conv.dilations, strict=True)
    bias = cast(Tensor, conv.bias)
    return _Sum(_padded(conv, share * conv.weight, share * bias, dilation) for share, dilation in shares)


def _padded(conv: DilatedConv, weight: Tensor, bias: Tensor | None, dilation: int) -> nn.Module:
    """A convolution padded by as many zeros as its taps read beyond the video, before and after it."""
    past, future = dilation * conv.present, dilation * (weight.shape[2] - 1 - conv.present)
    if past == future:
        return _conv1d(weight, bias, dilation, past)
    return nn.Sequential(nn.ConstantPad1d((past, future), 0.0), _conv1d(weight, bias, dilation))


def _conv1d(weight: Tensor, bias: Tensor | None, dilation: int = 1, padding: int = 0) -> nn.Conv1d:
    out_channels, in_channels, taps = weight.shape
    plain = nn.Conv1d(in_channels, out_channels, taps, dilation=dilation, padding=padding, device="meta")
    plain.weight = nn.Parameter(weight.detach().contiguous())
    plain.bias = None if bias is None else nn.Parameter(bias.detach())
    return plain
