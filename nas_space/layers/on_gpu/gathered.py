"""Dilated convolutions over packed frames, written for a GPU: few and large operators, and none that is waited for.

The frames that the taps read are gathered side by side, so a convolution is one matrix product. Nothing is padded, and
the dilations are numbers in a table of rows, so that all structures do the same operators on the same shapes. Frames
that lie outside of a video are read from a row of zeros after the last frame.

The gradient of a gather would be a sum into rows that several threads share; the backward passes here gather instead:
frame t is read by frame t - s through the tap that lies s after its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from nas_space.layers.on_gpu.indexed_offsets import IndexedOffsets


class GatheredConv(torch.autograd.Function):
    """The convolution of one dilation, or of several branches: sum_i p_i conv(x; d_i).

    A convolution is linear, so branches cost no matrix products of their own: the taps read the mixture of the frames.
    """

    @staticmethod
    def forward(
        ctx: Any,
        frames: Tensor,
        weight: Tensor,
        bias: Tensor,
        shares: Tensor | None,
        offsets: IndexedOffsets,
        shifts: Tensor,
    ) -> Tensor:
        """``(frames, in)`` -> ``(frames, out)``; ``weight`` (out, in, kernel) and ``bias`` (out,) as in nn.Conv1d.

        Args:
            shares: ``(branches,)``, of sum 1, so that the bias counts once; None: one branch.
            shifts: ``(2 x branches, kernel)``; see ``shifts_on``.
        """
        taps = weight.to(frames.dtype).permute(2, 1, 0).flatten(0, 1)
        rows, back = offsets.rows(shifts).chunk(2)
        mixed = None if shares is None else shares.to(frames.dtype)[None]
        read = _read(_with_zeros(frames), rows.flatten(), mixed).view(len(frames), -1)
        ctx.save_for_backward(frames, read, weight, shares, mixed, rows, back)
        ctx.bias_dtype = bias.dtype
        return torch.addmm(bias.to(frames.dtype), read, taps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of frames, weight, bias and shares."""
        frames, read, weight, shares, mixed, rows, back = ctx.saved_tensors
        grad_taps = grad_output.t().mm(read)  # (out, kernel * in)
        grad_weight = grad_taps.unflatten(1, (-1, weight.shape[1])).permute(1, 0, 2).contiguous().permute(1, 2, 0)
        of_parameters = grad_weight.to(weight.dtype), grad_output.sum(0).to(ctx.bias_dtype)
        taps = weight.to(frames.dtype).permute(2, 0, 1).flatten(0, 1)  # (kernel * out, in)
        read_back = _read(_with_zeros(grad_output), back.flatten(), mixed).view(len(frames), -1)
        grad_frames, grad_shares = read_back.mm(taps), None
        if shares is not None:
            grad_read = grad_output.mm(weight.to(frames.dtype).permute(0, 2, 1).flatten(1))
            grad_shares = _gradient_of_shares(_with_zeros(frames), rows.flatten(), grad_read, len(shares))
            grad_shares = grad_shares.to(shares.dtype)
        return grad_frames, *of_parameters, grad_shares, None, None


class GatheredResiduals(torch.autograd.Function):
    """Layers in sequence, each x -> x + mask * (W2 relu(conv(x)) + b2), see ``PlainResiduals``; conv may have branches.

    Of one structure, or of several at once, which differ in their weights and dilations: a product then has a matrix
    for each. What does not depend on the layer before is done for all layers at once: index, dropout, gradients of the
    weights.
    """

    @staticmethod
    def forward(
        ctx: Any,
        frames: Tensor,
        shares: Tensor | None,
        kept: Tensor | None,
        offsets: IndexedOffsets,
        shifts: Tensor,
        mask: Tensor | None,
        *parameters: Tensor,
    ) -> Tensor:
        """``([structures,] frames, channels)`` -> the same shape.

        Args:
            shares: ``(layers, [structures,] branches)``, of sum 1 in each layer; None: one branch.
            kept: ``(layers, [structures])``, the factors of what each layer adds; None: 1.
            shifts: ``(2 x layers x structures x branches, kernel)``; see ``shifts_on``.
            mask: ``(layers, [structures,] frames, channels)``, the factors of dropout; None: no dropout.
            parameters: of each layer of each structure, layer by layer, weight (out, in, kernel), bias, weight_1x1
                (out, in, 1) and bias_1x1, as in nn.Conv1d.
        """
        *structures, count, channels = frames.shape
        weight, bias, weight_1x1, bias_1x1 = _stacked(parameters, structures, frames.dtype)
        factors = None if kept is None else kept.to(frames.dtype)[..., None]
        added, added_bias = weight_1x1, bias_1x1
        if factors is not None:
            added, added_bias = weight_1x1 * factors[..., None], bias_1x1 * factors
        layers, mixed = len(weight), None if shares is None else shares.to(frames.dtype)[..., None, :]
        taps = weight.mT.flatten(-3, -2)  # (layers, [structures,] kernel * in, out)
        rows, back = (_rows_of(each, layers, structures, count) for each in offsets.rows(shifts).chunk(2))
        activations = frames.new_empty(layers + 1, *structures, count + 1, channels)
        activations[..., count, :].zero_()
        activations[0, ..., :count, :].copy_(frames)
        hidden = frames.new_empty(layers, *frames.shape)
        mixtures = None if mixed is None else frames.new_empty(layers, *structures, 1, count * taps.shape[-2])
        mixed_by_layer, mixtures_by_layer = _by_layer(mixed, layers), _by_layer(mixtures, layers)
        with_zeros, values = activations.view(layers + 1, -1, channels), activations[..., :count, :].unbind()
        if structures:
            bias, added_bias = bias.unsqueeze(-2), added_bias.unsqueeze(-2)
        for layer in range(layers):
            read = _read(with_zeros[layer], rows[layer], mixed_by_layer[layer], mixtures_by_layer[layer])
            _sum(bias[layer], read.view(*structures, count, -1), taps[layer], out=hidden[layer]).relu_()
            change = _sum(added_bias[layer], hidden[layer], added[layer].mT)
            if mask is None:
                torch.add(values[layer], change, out=values[layer + 1])
            else:
                torch.addcmul(values[layer], change, mask[layer], out=values[layer + 1])
        of_weights = weight, weight_1x1, bias_1x1, added
        ctx.save_for_backward(activations, hidden, mask, *of_weights, mixed, mixtures, factors, rows, back)
        ctx.dtypes = [each.dtype for each in parameters[:4]]
        return values[layers]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of frames, shares, kept and the parameters."""
        activations, hidden, mask, weight, weight_1x1, bias_1x1, added, *others = ctx.saved_tensors
        mixed, mixtures, factors, rows, back = others
        layers, *structures, count, channels = hidden.shape
        taps = weight.flatten(-3, -2)  # (layers, [structures,] kernel * out, in)
        grad_change = torch.empty_like(hidden)
        grad_sum = torch.empty_like(activations[1:])
        grad_sum[..., count, :].zero_()
        mixed_by_layer = _by_layer(mixed, layers)
        with_zeros, grad_sum = grad_sum.view(layers, -1, channels), grad_sum[..., :count, :]
        for layer in reversed(range(layers)):
            of_change, of_sum = grad_change[layer], grad_sum[layer]
            if mask is None:
                of_change.copy_(grad_output)
            else:
                torch.mul(grad_output, mask[layer], out=of_change)
            grad_hidden = of_change @ added[layer]
            torch.ops.aten.threshold_backward.grad_input(grad_hidden, hidden[layer], 0, grad_input=of_sum)
            read = _read(with_zeros[layer], back[layer], mixed_by_layer[layer])
            grad_output = _sum(grad_output, read.view(*structures, count, -1), taps[layer])
        grad_shares = None
        if mixed is None:
            of_layers = len(with_zeros[0]) * torch.arange(layers, dtype=torch.int32, device=rows.device)
            read = activations.view(-1, channels).index_select(0, (rows + of_layers[:, None]).flatten())
        else:
            read = mixtures
            by_tap = weight.transpose(-3, -2).flatten(-2)  # (layers, [structures,] out, kernel * in)
            # Layer by layer: what all read would take as much memory as all else.
            grad_reads = (grad_sum[layer] @ by_tap[layer] for layer in range(layers))
            of_each = zip(activations.view(layers + 1, -1, channels)[:layers], rows, grad_reads, strict=True)
            grad_shares = torch.stack([_gradient_of_shares(*each, mixed.shape[-1]) for each in of_each])
        grad_weight = (grad_sum.mT @ read.view(layers, *structures, count, -1)).unflatten(-1, (-1, channels))
        grad_weight = grad_weight.transpose(-3, -2).contiguous()
        grad_1x1, grad_bias_1x1, grad_kept = grad_change.mT @ hidden, grad_change.sum(-2), None
        if factors is not None:
            grad_kept = (grad_1x1 * weight_1x1).sum((-2, -1)) + (grad_bias_1x1 * bias_1x1).sum(-1)
            grad_1x1, grad_bias_1x1 = grad_1x1 * factors[..., None], grad_bias_1x1 * factors
        gradients = grad_weight.movedim(-3, -1), grad_sum.sum(-2), grad_1x1.unsqueeze(-1), grad_bias_1x1
        by_layer = zip(
            *(
                each.to(dtype).flatten(0, len(structures)).unbind()
                for each, dtype in zip(gradients, ctx.dtypes, strict=True)
            ),
            strict=True,
        )
        of_parameters = (each for of_layer in by_layer for each in of_layer)
        return grad_output, grad_shares, grad_kept, None, None, None, *of_parameters


def _with_zeros(frames: Tensor) -> Tensor:
    """The frames, and after the last one the row of zeros that is read where a video has no frame."""
    return F.pad(frames, (0, 0, 0, 1))


def _by_layer(stacked: Tensor | None, layers: int) -> Sequence[Tensor | None]:
    return [None] * layers if stacked is None else stacked.unbind()


def _sum(summand: Tensor, one: Tensor, other: Tensor, out: Tensor | None = None) -> Tensor:
    """summand + one x other. For matrices a product of its own: that of a batch of them copies the summand first."""
    return (torch.addmm if one.ndim == 2 else torch.baddbmm)(summand, one, other, out=out)


def _read(with_zeros: Tensor, rows: Tensor, shares: Tensor | None, out: Tensor | None = None) -> Tensor:
    """What taps read, side by side: ``structures x frames x taps x channels`` numbers.

    Args:
        with_zeros: ``(structures x (frames + 1), channels)``.
        rows: ``(structures x branches x frames x taps,)``.
        shares: ``([structures,] 1, branches)``, of the mixture of the branches; None: one branch.
        out: for the mixture, ``([structures,] 1, frames * taps * channels)``; None: memory of its own.
    """
    read = with_zeros.index_select(0, rows)
    if shares is None:
        return read
    return torch.matmul(shares, read.view(*shares.shape[:-2], shares.shape[-1], -1), out=out)


def _gradient_of_shares(with_zeros: Tensor, rows: Tensor, grad_read: Tensor, branches: int) -> Tensor:
    """``([structures,] branches)``, from the gradient of the mixture, ``([structures,] frames, taps * channels)``."""
    read = with_zeros.index_select(0, rows).view(*grad_read.shape[:-2], branches, -1)
    return (read @ grad_read.flatten(-2).unsqueeze(-1)).squeeze(-1)


def _rows_of(rows: Tensor, layers: int, structures: Sequence[int], frames: int) -> Tensor:
    """``(layers, all)``: the rows of each structure lie after those, and the row of zeros, of the one before."""
    if structures:
        starts = (frames + 1) * torch.arange(*structures, dtype=torch.int32, device=rows.device)
        rows = rows.view(layers, *structures, -1) + starts[:, None]
    return rows.view(layers, -1)


def _stacked(
    parameters: Sequence[Tensor], structures: Sequence[int], dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weights (layers, [structures,] kernel, out, in), biases (..., out), and those of the 1x1 convolutions, (..., out,
    in) and (..., out).
    """
    columns = (
        [weight.permute(2, 0, 1) for weight in parameters[::4]],
        parameters[1::4],
        [weight.squeeze(2) for weight in parameters[2::4]],
        parameters[3::4],
    )
    first, second, third, fourth = (
        torch.stack(list(column)).unflatten(0, (-1, *structures)).to(dtype) for column in columns
    )
    return first, second, third, fourth
