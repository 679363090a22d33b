"""Dilated residual layers over packed frames, written for a CPU: no padding, no copies, few passes over memory.

x -> x + dropout(W2 relu(conv(x)) + b2) is one step for autograd, with a backward pass written out here; autograd
refuses second derivatives with a message. The same with branches: packed_branches.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from nas_space.layers.on_cpu.packed_conv import Offsets, convolution_backward, convolve, tap_shifts

ALIGNMENT = 64
"""Of PyTorch's own tensors, in bytes."""
LARGE = 1_000_000
"""Smallest activation, in bytes, that is worth allocating by hand."""


def allocate_like(values: Tensor) -> Tensor | None:
    """Memory for values of the same shape and type, as ``out`` of an operator; None if PyTorch may allocate it.

    PyTorch asks for aligned blocks. glibc before 2.38 does not reuse freed blocks for aligned allocations of the same
    size, so training memory would grow by half of the activations. Unaligned blocks are reused.
    """
    size = values.numel() * values.element_size()
    if size < LARGE or values.device.type != "cpu":
        return None
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return torch.from_numpy(memory[start : start + size]).view(values.dtype).view(values.shape)


def sample_dropout_mask(frames: Tensor, dropout: float) -> Tensor:
    """The factor of dropout, 0 or 1 / (1 - dropout), for each element of ``frames``, by torch's global generator.

    For a probability of 0.5 it is uint8, and each word of the generator makes 64 elements: ``bernoulli_`` takes a word
    for each, which would take a fifth of a training step.
    """
    if dropout != 0.5:
        return F.dropout(torch.ones_like(frames), dropout)
    words = torch.empty(-(-frames.numel() // 64), dtype=torch.int64).random_(-(2**63), None)
    bits = np.unpackbits(words.view(torch.uint8).numpy(), count=frames.numel())
    bits <<= 1
    return torch.from_numpy(bits).view(frames.shape)


class PlainResiduals(torch.autograd.Function):
    """Layers in sequence, each x -> x + mask * (W2 relu(conv(x; dilation)) + b2).

    All of them are one step for autograd, because for short videos each step costs as much as its matrix products.
    """

    @staticmethod
    def forward(
        ctx: Any,
        frames: Tensor,
        offsets: Offsets,
        dilations: Sequence[int],
        present: int,
        mask: Tensor | None,
        *parameters: Tensor,
    ) -> Tensor:
        """``(frames, channels)`` -> the same shape.

        ``present``: index of the tap that reads the frame of the output itself, the middle one unless the layers are
        causal. ``mask`` (layers, frames, channels): see ``sample_dropout_mask``; None: no dropout. ``parameters``: of
        each layer weight (out, in, kernel), bias, weight_1x1 (out, in, 1) and bias_1x1, as in nn.Conv1d.
        """
        ctx.present, ctx.shifts, activations = present, [], []
        for layer, (dilation, of_layer) in enumerate(zip(dilations, _by_layer(parameters), strict=True)):
            weight, bias, weight_1x1, bias_1x1 = of_layer
            shifts = tap_shifts(weight.shape[2], dilation, present, offsets)
            hidden = convolve(frames, weight, bias, present, shifts, allocate_like(frames)).relu_()
            ctx.shifts.append(shifts)
            activations += [frames, hidden]
            frames = add_residual(frames, hidden, weight_1x1, bias_1x1, None if mask is None else mask[layer])
        ctx.save_for_backward(mask, *activations, *parameters)
        return frames

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of frames and of the parameters."""
        mask, *saved = ctx.saved_tensors
        layers = len(ctx.shifts)
        parameters = list(_by_layer(saved[2 * layers :]))
        grad_parameters: list[Tensor] = []
        for layer in reversed(range(layers)):
            frames, hidden = saved[2 * layer : 2 * layer + 2]
            weight, _, weight_1x1, _ = parameters[layer]
            grad_hidden, *grad_1x1 = pointwise_backward(
                grad_output, hidden, weight_1x1, None if mask is None else mask[layer]
            )
            grad_sum = relu_backward(grad_hidden, hidden)
            grad_output = torch.addmm(grad_output, grad_sum, weight[:, :, ctx.present], out=allocate_like(grad_output))
            grad_weight = convolution_backward(grad_sum, frames, weight, ctx.present, ctx.shifts[layer], grad_output)
            grad_parameters[:0] = [grad_weight, grad_sum.sum(0), *grad_1x1]
        return grad_output, None, None, None, None, *grad_parameters


def infer_residuals(
    frames: Tensor, offsets: Offsets, dilations: Sequence[int], present: int, parameters: Sequence[Tensor]
) -> Tensor:
    """``PlainResiduals`` without dropout and without gradients: the same numbers, in two buffers for all layers."""
    frames = frames.clone()
    hidden, change = (allocate_like(frames), allocate_like(frames))
    for dilation, (weight, bias, weight_1x1, bias_1x1) in zip(dilations, _by_layer(parameters), strict=True):
        shifts = tap_shifts(weight.shape[2], dilation, present, offsets)
        hidden = convolve(frames, weight, bias, present, shifts, hidden).relu_()
        change = torch.addmm(bias_1x1, hidden, weight_1x1.squeeze(2).t(), out=change)
        frames += change
    return frames


def _by_layer(parameters: Sequence[Tensor]) -> Iterator[tuple[Tensor, ...]]:
    """The four parameters of each layer."""
    return zip(*[iter(parameters)] * 4, strict=True)


def add_residual(frames: Tensor, hidden: Tensor, weight_1x1: Tensor, bias_1x1: Tensor, mask: Tensor | None) -> Tensor:
    """The end of a layer: x + mask * (W2 hidden + b2)."""
    change = torch.addmm(bias_1x1, hidden, weight_1x1.squeeze(2).t(), out=allocate_like(frames))
    if mask is not None:
        change.mul_(mask)
    return change.add_(frames)


def pointwise_backward(
    grad_output: Tensor, hidden: Tensor, weight_1x1: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of the input, the weight and the bias of the 1x1 convolution, through dropout."""
    grad_change = grad_output if mask is None else torch.mul(grad_output, mask, out=allocate_like(grad_output))
    grad_hidden = torch.mm(grad_change, weight_1x1.squeeze(2), out=allocate_like(grad_output))
    return grad_hidden, grad_change.t().mm(hidden).unsqueeze(2), grad_change.sum(0)


def relu_backward(grad_output: Tensor, output: Tensor) -> Tensor:
    """Backward of ReLU; overwrites ``grad_output`` with the gradient of the input."""
    return torch.ops.aten.threshold_backward.grad_input(grad_output, output, 0, grad_input=grad_output)
