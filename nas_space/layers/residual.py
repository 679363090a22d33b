"""Dilated residual layers over packed frames, in the form that is fast on the device."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_space.layers.convolutions import BranchedConv, DilatedConv, LeftOut, PointwiseConv
from nas_space.layers.on_cpu.packed_branches import BranchedResidual
from nas_space.layers.on_cpu.packed_residual import PlainResiduals, infer_residuals, sample_dropout_mask
from nas_space.layers.on_gpu.gathered import GatheredResiduals
from nas_space.layers.on_gpu.indexed_offsets import IndexedOffsets, shifts_on


class DilatedResidualLayer(nn.Module):
    """Dilated convolution -> ReLU -> 1x1 convolution -> dropout -> add the input (Abu Farha and Gall, CVPR 2019, 3.1).

    With a dilation of 0 the layer is left out: it returns its input.

    The packed form does many small operations on views in one step of autograd, which is fast on a CPU. The composed
    one consists of PyTorch's operators around the form of the convolution (see ``DilatedConv``), for any device,
    autocast, and a ReLU within each branch. Their dropout masks differ.
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
        if not is_packed(frames, offsets) or (isinstance(conv, BranchedConv) and conv.inner_activation):
            return self.composed(frames, offsets)
        if not isinstance(conv, BranchedConv):
            return packed_layers([both], self.dropout, frames, offsets)
        mask = dropout_mask(self.dropout, frames)
        parameters = (conv.weight, conv.bias, conv.shares(), pointwise.weight, pointwise.bias)
        output = BranchedResidual.apply(frames, *parameters, conv.dilations, conv.present, offsets, mask)
        return keep_in_part(frames, output, conv.kept())

    def composed(self, frames: Tensor, offsets: Sequence[int]) -> Tensor:
        """As ``forward``, in the composed form."""
        both = self.convolutions()
        if both is None:
            return frames
        conv, pointwise = both
        output = frames + self.dropout(pointwise(F.relu(conv(frames, offsets))))
        return keep_in_part(frames, output, conv.kept() if isinstance(conv, BranchedConv) else None)


def keep_in_part(frames: Tensor, output: Tensor, kept: Tensor | None) -> Tensor:
    """Between the input of a layer and its output, with ``kept`` of the output; None: all of it."""
    return output if kept is None else torch.lerp(frames, output, kept)


def is_packed(frames: Tensor, offsets: Sequence[int]) -> bool:
    """Whether layers take their packed form: on a CPU, without autocast, unless the offsets are indexed for a GPU."""
    on_cpu = frames.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
    return on_cpu and not isinstance(offsets, IndexedOffsets)


def residual_layers(layers: Sequence[DilatedResidualLayer], frames: Tensor, offsets: Sequence[int]) -> Tensor:
    """Layers of equal dropout in sequence: ``(frames, channels)`` -> ``(frames, channels)``."""
    kept = [(layer, both) for layer in layers if (both := layer.convolutions()) is not None]
    if not isinstance(offsets, IndexedOffsets):
        kinds = {kind_of(both[0]) for _, both in kept}
        plain = len(kinds) == 1 and not isinstance(kept[0][1][0], BranchedConv)
        if plain and is_packed(frames, offsets):
            return packed_layers([both for _, both in kept], layers[0].dropout, frames, offsets)
        for layer in layers:
            frames = layer(frames, offsets)
        return frames
    for kind, group in groupby(kept, lambda each: kind_of(each[1][0])):
        alike, convolutions = zip(*group, strict=True)
        if kind is not None:
            frames = gathered_layers([convolutions], layers[0].dropout, frames, offsets)
        else:
            for layer in alike:
                frames = layer(frames, offsets)
    return frames


def kind_of(conv: DilatedConv) -> tuple[object, ...] | None:
    """Equal for convolutions that can be computed in one step; None: of one that cannot, not even alone."""
    if not isinstance(conv, BranchedConv):
        return conv.kernel_size[0], conv.present
    return None if conv.inner_activation else (conv.kernel_size[0], conv.present, len(conv.dilations), *conv.alike())


def packed_layers(
    layers: Sequence[tuple[DilatedConv, PointwiseConv]], dropout: nn.Dropout, frames: Tensor, offsets: Sequence[int]
) -> Tensor:
    """Layers of one kernel size in one step, in the packed form; no layer may have branches."""
    mask = dropout_mask(dropout, frames.expand(len(layers), *frames.shape))
    dilations = [conv.dilation[0] for conv, _ in layers]
    present, parameters = layers[0][0].present, _parameters(layers)
    if mask is None and not torch.is_grad_enabled():
        return infer_residuals(frames, offsets, dilations, present, parameters)
    return PlainResiduals.apply(frames, offsets, dilations, present, mask, *parameters)


def gathered_layers(
    structures: Sequence[Sequence[tuple[DilatedConv, PointwiseConv]]],
    dropout: nn.Dropout,
    frames: Tensor,
    offsets: IndexedOffsets,
) -> Tensor:
    """As ``packed_layers``, in the gathered form; layers may have branches that are ``alike``.

    Args:
        structures: the layers of each; they may differ in their dilations.
        frames: ``(structures, frames, channels)``, or of one structure ``(frames, channels)``.
    """
    layers = [each for of_layer in zip(*structures, strict=True) for each in of_layer]
    first, dilations = layers[0][0], tuple(each for conv, _ in layers for each in _dilations(conv))
    shifts = shifts_on(frames.device, dilations, first.kernel_size[0], first.present)
    shares = kept = mask = None
    count = len(structures[0])
    if isinstance(first, BranchedConv):
        weights = torch.stack([cast(BranchedConv, conv).branch_weights for conv, _ in layers])
        weights = weights.unflatten(0, (count, *frames.shape[:-2]))
        shares, kept = first.shares(weights), first.kept(weights)
    if dropout.training and dropout.p > 0:
        stays = 1 - dropout.p
        mask = frames.new_empty(count, *frames.shape).bernoulli_(stays).mul_(1 / stays if stays else 0)
    return GatheredResiduals.apply(frames, shares, kept, offsets, shifts, mask, *_parameters(layers))


def _dilations(conv: DilatedConv) -> tuple[int, ...]:
    return conv.dilations if isinstance(conv, BranchedConv) else (conv.dilation[0],)


def _parameters(layers: Sequence[tuple[DilatedConv, PointwiseConv]]) -> list[Tensor]:
    return [cast(Tensor, one) for both in layers for each in both for one in (each.weight, each.bias)]


def dropout_mask(dropout: nn.Dropout, frames: Tensor) -> Tensor | None:
    """The factor of dropout for each element of the frames; None if dropout is inactive."""
    return sample_dropout_mask(frames, dropout.p) if dropout.training and dropout.p > 0 else None
