"""The dilated residual layer with branches that share their weights, over packed frames: see packed_residual.py.

Branches cost no matrix products of their own. A convolution is linear, so that a tap multiplies the mixture of the
frames that the branches read, once: sum_i p_i W x(t + d_i) = W sum_i p_i x(t + d_i). Only a ReLU within each branch
forbids that, which the padded form computes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nas_space.layers.packed_residual import Offsets, add_residual, shifted_rows, through_1x1, through_relu


class BranchedResidual(torch.autograd.Function):
    """As one layer of ``PlainResiduals``, with the sum of branches sum_i p_i conv(x; d_i) for the convolution."""

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
        factors: Tensor | None,
    ) -> Tensor:
        """``probabilities`` (branches,) and ``dilations`` (branches,); the others as in ``PlainResiduals``."""
        branches = Branches(probabilities.tolist(), tuple(dilations), present, offsets)
        hidden, mixtures = branches.convolve(frames, weight, bias)
        hidden.relu_()
        ctx.save_for_backward(frames, hidden, weight, bias, weight_1x1, factors, *mixtures)
        ctx.branches = branches
        return add_residual(frames, hidden, weight_1x1, bias_1x1, factors)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of frames, weight, bias, probabilities, weight_1x1 and bias_1x1."""
        frames, hidden, weight, bias, weight_1x1, factors, *mixtures = ctx.saved_tensors
        of_hidden, of_weight_1x1, of_bias_1x1 = through_1x1(gradient, hidden, weight_1x1, factors)
        of_sum = through_relu(of_hidden, hidden)
        of_conv = ctx.branches.gradients(of_sum, frames, weight, bias, mixtures, gradient)
        return of_conv + (of_weight_1x1, of_bias_1x1) + (None,) * 4


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
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of frames, weight, bias and probabilities."""
        frames, weight, bias, *mixtures = ctx.saved_tensors
        return ctx.branches.gradients(gradient, frames, weight, bias, mixtures, torch.zeros_like(frames)) + (None,) * 3


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
        """Their sum ``(frames, out)``, and the mixture of frames that each tap but the present one has multiplied."""
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

    def gradients(
        self, of_sum: Tensor, frames: Tensor, weight: Tensor, bias: Tensor, mixtures: list[Tensor], more: Tensor
    ) -> tuple[Tensor, ...]:
        """Gradients of frames, with ``more`` added to them, of weight, bias and probabilities."""
        present, whole = self.present, sum(self.shares)
        of_weight, of_bias = torch.zeros_like(weight), of_sum.sum(0)
        # All branches read the present frame and the bias alike: x * sum_i p_i.
        of_mixture = of_sum.mm(weight[:, :, present])
        of_shares = [_dot(of_mixture, frames) + _dot(of_bias, bias)] * len(self.shares)
        of_frames = torch.add(more, of_mixture, alpha=whole)
        of_weight[:, :, present].addmm_(of_sum.t(), frames, alpha=whole)
        for tap, mixture in zip(self._other_taps(weight), mixtures, strict=True):
            of_weight[:, :, tap].addmm_(of_sum.t(), mixture)
            torch.mm(of_sum, weight[:, :, tap], out=of_mixture)
            for branch, rows, sources in self._rows(tap):
                of_shares[branch] += _dot(of_mixture[rows], frames[sources])
                of_frames[sources].add_(of_mixture[rows], alpha=self.shares[branch])
        return of_frames, of_weight, of_bias.mul_(whole), frames.new_tensor(of_shares)

    def _other_taps(self, weight: Tensor) -> list[int]:
        return [tap for tap in range(weight.shape[2]) if tap != self.present]

    def _rows(self, tap: int) -> Iterator[tuple[int, slice, slice]]:
        """For each branch, the frames of its output and those that the tap reads for them: see ``shifted_rows``."""
        for branch, dilation in enumerate(self.dilations):
            for rows, sources in shifted_rows(self.offsets, (tap - self.present) * dilation):
                yield branch, rows, sources


def _dot(one: Tensor, other: Tensor) -> float:
    return float(torch.dot(one.reshape(-1), other.reshape(-1)))
