"""A dilated convolution over packed frames, written for a CPU: a matrix product a tap, between views of the frames."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nas_space.layers.packed_residual import Offsets, tap_shifts


class PackedConv(torch.autograd.Function):
    """``DilatedConv.convolve`` at one dilation; derivatives of derivatives are refused."""

    @staticmethod
    def forward(
        ctx: Any, frames: Tensor, weight: Tensor, bias: Tensor, dilation: int, present: int, offsets: Offsets
    ) -> Tensor:
        """``frames`` (frames, in), ``weight`` (out, in, kernel), ``bias`` (out,) -> (frames, out).

        ``present``: index of the tap that reads the frame of the output itself.
        """
        ctx.present = present
        ctx.shifts = tap_shifts(weight.shape[2], dilation, present, offsets)
        taps = weight.unbind(2)
        result = torch.addmm(bias, frames, taps[present].t())
        for tap, rows, sources in ctx.shifts:
            result[rows].addmm_(frames[sources], taps[tap].t())
        ctx.save_for_backward(frames, weight)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of frames, weight and bias."""
        frames, weight = ctx.saved_tensors
        grad_weight = torch.zeros_like(weight)
        taps, grad_taps = weight.unbind(2), grad_weight.unbind(2)
        grad_frames = gradient.mm(taps[ctx.present])
        grad_taps[ctx.present].addmm_(gradient.t(), frames)
        for tap, rows, sources in ctx.shifts:
            grad_frames[sources].addmm_(gradient[rows], taps[tap])
            grad_taps[tap].addmm_(gradient[rows].t(), frames[sources])
        return grad_frames, grad_weight, gradient.sum(0), None, None, None
