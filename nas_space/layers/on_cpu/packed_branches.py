"""The dilated residual layer with branches that share their weights, over packed frames: see packed_residual.py.

Branches cost no matrix products of their own. A convolution is linear, so each tap multiplies the mixture of the frames
that the branches read, once: sum_i p_i W x(t + d_i) = W sum_i p_i x(t + d_i). Only the padded form
supports a ReLU within each branch, with which this does not hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nas_space.layers.on_cpu.packed_conv import Offsets, shifted_rows
from nas_space.layers.on_cpu.packed_residual import add_residual, pointwise_backward, relu_backward


class BranchedResidual(torch.autograd.Function):
    """As one layer of ``PlainResiduals``, whose convolution is the sum of branches sum_i p_i conv(x; d_i)."""

    @staticmethod
    def forward(
        ctx: Any,
        frames: Tensor,
        weight: Tensor,
        bias: Tensor,
        probabilities: Tensor,
        weight_1x1: Tensor,
        bias_1x1: Tensor,
        dilations: Sequence[int],
        present: int,
        offsets: Offsets,
        mask: Tensor | None,
    ) -> Tensor:
        """``probabilities`` (branches,) and ``dilations`` (branches,); the others as in ``PlainResiduals``."""
        branches = Branches(probabilities.tolist(), tuple(dilations), present, offsets)
        hidden, mixtures = branches.convolve(frames, weight, bias)
        hidden.relu_()
        ctx.save_for_backward(frames, hidden, weight, bias, weight_1x1, mask, *mixtures)
        ctx.branches = branches
        return add_residual(frames, hidden, weight_1x1, bias_1x1, mask)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of frames, weight, bias, probabilities, weight_1x1 and bias_1x1."""
        frames, hidden, weight, bias, weight_1x1, mask, *mixtures = ctx.saved_tensors
        grad_hidden, *grad_1x1 = pointwise_backward(grad_output, hidden, weight_1x1, mask)
        grad_sum = relu_backward(grad_hidden, hidden)
        grad_conv = ctx.branches.backward(grad_sum, frames, weight, bias, mixtures, grad_output)
        return *grad_conv, *grad_1x1, None, None, None, None


class BranchedSum(torch.autograd.Function):
    """The sum of branches alone: sum_i p_i conv(x; d_i)."""

    @staticmethod
    def forward(
        ctx: Any,
        frames: Tensor,
        weight: Tensor,
        bias: Tensor,
        probabilities: Tensor,
        dilations: Sequence[int],
        present: int,
        offsets: Offsets,
    ) -> Tensor:
        """As in ``BranchedResidual``: ``(frames, in)`` -> ``(frames, out)``."""
        ctx.branches = Branches(probabilities.tolist(), tuple(dilations), present, offsets)
        result, mixtures = ctx.branches.convolve(frames, weight, bias)
        ctx.save_for_backward(frames, weight, bias, *mixtures)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of frames, weight, bias and probabilities."""
        frames, weight, bias, *mixtures = ctx.saved_tensors
        residual = torch.zeros_like(frames)
        return *ctx.branches.backward(grad_output, frames, weight, bias, mixtures, residual), None, None, None


class Branches(NamedTuple):
    """How the branches of a convolution read packed frames."""

    shares: list[float]
    """(branches,): their probabilities."""
    dilations: tuple[int, ...]
    """(branches,)"""
    present: int
    """Index of the tap that reads the frame of the output itself."""
    offsets: Offsets

    def convolve(self, frames: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Their weighted sum ``(frames, out)``, and the mixture of frames that each tap but the present one reads."""
        taps = weight.unbind(2)
        result = torch.addmm(bias, frames, taps[self.present].t()).mul_(sum(self.shares))
        mixtures = []
        for tap in self._other_taps(weight):
            mixture = torch.zeros_like(frames)
            for branch, rows, sources in self._rows(tap):
                mixture[rows].add_(frames[sources], alpha=self.shares[branch])
            result.addmm_(mixture, taps[tap].t())
            mixtures.append(mixture)
        return result, mixtures

    def backward(
        self, grad_sum: Tensor, frames: Tensor, weight: Tensor, bias: Tensor, mixtures: list[Tensor], residual: Tensor
    ) -> tuple[Tensor, ...]:
        """Gradients of frames, to which ``residual`` is added, and of weight, bias and probabilities."""
        present, total = self.present, sum(self.shares)
        grad_weight, grad_bias = torch.zeros_like(weight), grad_sum.sum(0)
        # The present frame and the bias are common to all branches: x * sum_i p_i.
        grad_mixture = grad_sum.mm(weight[:, :, present])
        grad_shares = [_dot(grad_mixture, frames) + _dot(grad_bias, bias)] * len(self.shares)
        grad_frames = torch.add(residual, grad_mixture, alpha=total)
        grad_weight[:, :, present].addmm_(grad_sum.t(), frames, alpha=total)
        for tap, mixture in zip(self._other_taps(weight), mixtures, strict=True):
            grad_weight[:, :, tap].addmm_(grad_sum.t(), mixture)
            torch.mm(grad_sum, weight[:, :, tap], out=grad_mixture)
            for branch, rows, sources in self._rows(tap):
                grad_shares[branch] += _dot(grad_mixture[rows], frames[sources])
                grad_frames[sources].add_(grad_mixture[rows], alpha=self.shares[branch])
        return grad_frames, grad_weight, grad_bias.mul_(total), frames.new_tensor(grad_shares)

    def _other_taps(self, weight: Tensor) -> list[int]:
        return [tap for tap in range(weight.shape[2]) if tap != self.present]

    def _rows(self, tap: int) -> Iterator[tuple[int, slice, slice]]:
        """For each branch, the frames of its output and the frames that the tap reads: see ``shifted_rows``."""
        for branch, dilation in enumerate(self.dilations):
            for rows, sources in shifted_rows(self.offsets, (tap - self.present) * dilation):
                yield branch, rows, sources


def _dot(one: Tensor, other: Tensor) -> float:
    return float(torch.dot(one.reshape(-1), other.reshape(-1)))
