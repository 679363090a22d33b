"""Dilated residual layers over packed frames, written for a CPU: no padding, no copies, few passes over memory.

x -> x + dropout(W2 relu(conv(x)) + b2) is one step for autograd, with a backward pass written out here. Each tap of
the convolution is one matrix product between shifted views of the packed frames. Derivatives of derivatives are refused
by autograd with a message. The same with branches: packed_branches.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

Offsets = Sequence[int]

ALIGNMENT = 64
"""Bytes: where PyTorch puts its own tensors."""
LARGE = 1_000_000
"""Smallest activation, in bytes, that is worth placing by hand."""


def place_for(values: Tensor) -> Tensor | None:
    """Memory for values of the same shape and type, as ``out`` of an operator; None, where PyTorch may allocate it.

    PyTorch asks for aligned blocks. glibc before 2.38 does not reuse freed blocks for aligned allocations of the same
    size, so training memory would grow by half of the activations. Unaligned blocks are reused.
    """
    size = values.numel() * values.element_size()
    if size < LARGE or values.device.type != "cpu":
        return None
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return torch.from_numpy(memory[start : start + size]).view(values.dtype).view(values.shape)


def draw_factors(frames: Tensor, dropout: float) -> Tensor:
    """What dropout multiplies each element of ``frames`` by, 0 or 1 / (1 - dropout); from torch's global generator.

    For a probability of 0.5 they are uint8, and each of the generator's words makes 64 of them: ``bernoulli_`` draws a
    word for each, and would take a fifth of a training step.
    """
    if dropout != 0.5:
        return F.dropout(torch.ones_like(frames), dropout)
    words = torch.empty(-(-frames.numel() // 64), dtype=torch.int64).random_(-(2**63), None)
    bits = np.unpackbits(words.view(torch.uint8).numpy(), count=frames.numel())
    bits <<= 1
    return torch.from_numpy(bits).view(frames.shape)


def shifted_rows(offsets: Offsets, shift: int) -> Iterator[tuple[slice, slice]]:
    """For each video the frames t, and the frames t + shift, as far as both lie within the video."""
    for start, end in pairwise(offsets):
        if abs(shift) < end - start:
            yield (
                slice(start + max(0, -shift), end - max(0, shift)),
                slice(start + max(0, shift), end - max(0, -shift)),
            )


def tap_shifts(kernel_size: int, dilation: int, present: int, offsets: Offsets) -> list[tuple[int, slice, slice]]:
    """For each tap but the present one, the frames of the output and those that the tap reads for them."""
    return [
        (tap, rows, sources)
        for tap in range(kernel_size)
        if tap != present
        for rows, sources in shifted_rows(offsets, (tap - present) * dilation)
    ]


class PlainResiduals(torch.autograd.Function):
    """Layers one after another, each x -> x + factors * (W2 relu(conv(x; dilation)) + b2).

    All of them are one step for autograd, because for short videos each step costs as much as its matrix products.
    """

    @staticmethod
    def forward(
        ctx: Any,
        frames: Tensor,
        offsets: Offsets,
        dilations: Sequence[int],
        present: int,
        factors: Tensor | None,
        *parameters: Tensor,
    ) -> Tensor:
        """``(frames, channels)`` -> the same shape.

        ``present``: index of the tap that reads the frame of the output itself, the middle one unless the layers are
        causal. ``factors`` (layers, frames, channels): see ``draw_factors``; None: no dropout. ``parameters``: of each
        layer weight (out, in, kernel), bias, weight_1x1 (out, in, 1) and bias_1x1, as nn.Conv1d keeps them.
        """
        ctx.present, ctx.shifts, activations = present, [], []
        for layer, (dilation, of_layer) in enumerate(zip(dilations, _by_layer(parameters), strict=True)):
            weight, bias, weight_1x1, bias_1x1 = of_layer
            shifts = tap_shifts(weight.shape[2], dilation, present, offsets)
            taps = weight.unbind(2)
            hidden = torch.addmm(bias, frames, taps[present].t(), out=place_for(frames))
            for tap, rows, sources in shifts:
                hidden[rows].addmm_(frames[sources], taps[tap].t())
            hidden.relu_()
            ctx.shifts.append(shifts)
            activations += [frames, hidden]
            frames = add_residual(frames, hidden, weight_1x1, bias_1x1, None if factors is None else factors[layer])
        ctx.save_for_backward(factors, *activations, *parameters)
        return frames

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of frames and of the parameters."""
        factors, *saved = ctx.saved_tensors
        layers = len(ctx.shifts)
        parameters = list(_by_layer(saved[2 * layers :]))
        of_parameters: list[Tensor] = []
        for layer in reversed(range(layers)):
            frames, hidden = saved[2 * layer : 2 * layer + 2]
            weight, _, weight_1x1, _ = parameters[layer]
            of_hidden, of_weight_1x1, of_bias_1x1 = through_1x1(
                gradient, hidden, weight_1x1, None if factors is None else factors[layer]
            )
            of_sum = through_relu(of_hidden, hidden)
            of_weight = torch.zeros_like(weight)
            taps, of_taps = weight.unbind(2), of_weight.unbind(2)
            gradient = torch.addmm(gradient, of_sum, taps[ctx.present], out=place_for(gradient))
            of_taps[ctx.present].addmm_(of_sum.t(), frames)
            for tap, rows, sources in ctx.shifts[layer]:
                of_rows = of_sum[rows]
                gradient[sources].addmm_(of_rows, taps[tap])
                of_taps[tap].addmm_(of_rows.t(), frames[sources])
            of_parameters[:0] = [of_weight, of_sum.sum(0), of_weight_1x1, of_bias_1x1]
        return gradient, None, None, None, None, *of_parameters


def _by_layer(parameters: Sequence[Tensor]) -> Iterator[tuple[Tensor, ...]]:
    """The four parameters of each layer."""
    return zip(*[iter(parameters)] * 4, strict=True)


def add_residual(
    frames: Tensor, hidden: Tensor, weight_1x1: Tensor, bias_1x1: Tensor, factors: Tensor | None
) -> Tensor:
    """The end of a layer: x + factors * (W2 hidden + b2)."""
    change = torch.addmm(bias_1x1, hidden, weight_1x1.squeeze(2).t(), out=place_for(frames))
    if factors is not None:
        change.mul_(factors)
    return change.add_(frames)


def through_1x1(
    gradient: Tensor, hidden: Tensor, weight_1x1: Tensor, factors: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of the input, the weight and the bias of the 1x1 convolution."""
    of_change = gradient if factors is None else torch.mul(gradient, factors, out=place_for(gradient))
    of_hidden = torch.mm(of_change, weight_1x1.squeeze(2), out=place_for(gradient))
    return of_hidden, of_change.t().mm(hidden).unsqueeze(2), of_change.sum(0)


def through_relu(of_result: Tensor, result: Tensor) -> Tensor:
    """Backward of a ReLU with output ``result``; overwrites ``of_result`` with the gradient of its input."""
    return torch.ops.aten.threshold_backward.grad_input(of_result, result, 0, grad_input=of_result)
