"""A dilated convolution over packed frames, written for a CPU: one matrix product per tap, on views of the frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Offsets = Sequence[int]
"""(videos + 1,)"""
Shifts = list[tuple[int, slice, slice]]
"""For each tap but the present one and each video: the tap, the frames of the output, and the frames that it reads."""


def shifted_rows(offsets: Offsets, shift: int) -> Iterator[tuple[slice, slice]]:
    """For each video the frames t and the frames t + shift, as far as both lie within the video."""
    for start, end in pairwise(offsets):
        if abs(shift) < end - start:
            yield (
                slice(start + max(0, -shift), end - max(0, shift)),
                slice(start + max(0, shift), end - max(0, -shift)),
            )


def tap_shifts(kernel_size: int, dilation: int, present: int, offsets: Offsets) -> Shifts:
    """``present``: index of the tap that reads the frame of the output itself."""
    return [
        (tap, rows, sources)
        for tap in range(kernel_size)
        if tap != present
        for rows, sources in shifted_rows(offsets, (tap - present) * dilation)
    ]


def convolve(
    frames: Tensor, weight: Tensor, bias: Tensor, present: int, shifts: Shifts, out: Tensor | None = None
) -> Tensor:
    """``frames`` (frames, in), ``weight`` (out, in, kernel), ``bias`` (out,) -> (frames, out)."""
    taps = weight.unbind(2)
    result = torch.addmm(bias, frames, taps[present].t(), out=out)
    for tap, rows, sources in shifts:
        result[rows].addmm_(frames[sources], taps[tap].t())
    return result


def convolution_backward(
    grad_output: Tensor, frames: Tensor, weight: Tensor, present: int, shifts: Shifts, grad_frames: Tensor
) -> Tensor:
    """Gradient of the weight; adds that of the frames, but for the present tap, to ``grad_frames``."""
    grad_weight = torch.zeros_like(weight)
    taps, grad_taps = weight.unbind(2), grad_weight.unbind(2)
    grad_taps[present].addmm_(grad_output.t(), frames)
    for tap, rows, sources in shifts:
        grad_rows = grad_output[rows]
        grad_frames[sources].addmm_(grad_rows, taps[tap])
        grad_taps[tap].addmm_(grad_rows.t(), frames[sources])
    return grad_weight


class PackedConv(torch.autograd.Function):
    """``DilatedConv.convolve`` at one dilation; second derivatives are refused."""

    @staticmethod
    def forward(
        ctx: Any, frames: Tensor, weight: Tensor, bias: Tensor, dilation: int, present: int, offsets: Offsets
    ) -> Tensor:
        """See ``convolve``."""
        ctx.present = present
        ctx.shifts = tap_shifts(weight.shape[2], dilation, present, offsets)
        ctx.save_for_backward(frames, weight)
        return convolve(frames, weight, bias, present, ctx.shifts)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of frames, weight and bias."""
        frames, weight = ctx.saved_tensors
        grad_frames = grad_output.mm(weight[:, :, ctx.present])
        grad_weight = convolution_backward(grad_output, frames, weight, ctx.present, ctx.shifts, grad_frames)
        return grad_frames, grad_weight, grad_output.sum(0), None, None, None
