"""The dilated residual layer with branches that share their weights, over packed frames: see packed_residual.py.

Branches cost no matrix products of their own. A convolution is linear, so that a tap multiplies the mixture of the
frames that the branches read, once: sum_i p_i W x(t + d_i) = W sum_i p_i x(t + d_i). Only a ReLU within each branch
forbids that, which the padded form computes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

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
        offsets: Offsets,
        factors: Tensor | None,
    ) -> Tensor:
        """``probabilities`` (branches,) and ``dilations`` (branches,); the others as in ``PlainResiduals``."""
        centre = weight.shape[2] // 2
        shares, taps = probabilities.tolist(), weight.unbind(2)
        hidden = torch.addmm(bias, frames, taps[centre].t()).mul_(sum(shares))
        mixtures = []
        for tap, matrix in enumerate(taps):
            if tap != centre:
                mixture = torch.zeros_like(frames)
                for branch, rows, sources in _branch_rows(dilations, tap - centre, offsets):
                    mixture[rows].add_(frames[sources], alpha=shares[branch])
                hidden.addmm_(mixture, matrix.t())
                mixtures.append(mixture)
        hidden.relu_()
        ctx.save_for_backward(frames, hidden, weight, bias, weight_1x1, factors, *mixtures)
        ctx.dilations, ctx.shares, ctx.offsets = tuple(dilations), shares, offsets
        return add_residual(frames, hidden, weight_1x1, bias_1x1, factors)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of frames, weight, bias, probabilities, weight_1x1 and bias_1x1."""
        frames, hidden, weight, bias, weight_1x1, factors, *mixtures = ctx.saved_tensors
        of_hidden, of_weight_1x1, of_bias_1x1 = through_1x1(gradient, hidden, weight_1x1, factors)
        of_sum = through_relu(of_hidden, hidden)
        centre, whole = weight.shape[2] // 2, sum(ctx.shares)
        of_weight, of_bias = torch.zeros_like(weight), of_sum.sum(0)
        # All branches read the centre and the bias alike: x * sum_i p_i.
        of_mixture = of_sum.mm(weight[:, :, centre])
        of_shares = [_dot(of_mixture, frames) + _dot(of_bias, bias)] * len(ctx.shares)
        of_frames = torch.add(gradient, of_mixture, alpha=whole)
        of_weight[:, :, centre].addmm_(of_sum.t(), frames, alpha=whole)
        outer = [tap for tap in range(weight.shape[2]) if tap != centre]
        for tap, mixture in zip(outer, mixtures, strict=True):
            of_weight[:, :, tap].addmm_(of_sum.t(), mixture)
            torch.mm(of_sum, weight[:, :, tap], out=of_mixture)
            for branch, rows, sources in _branch_rows(ctx.dilations, tap - centre, ctx.offsets):
                of_shares[branch] += _dot(of_mixture[rows], frames[sources])
                of_frames[sources].add_(of_mixture[rows], alpha=ctx.shares[branch])
        of_probabilities = gradient.new_tensor(of_shares)
        return (of_frames, of_weight, of_bias.mul_(whole), of_probabilities, of_weight_1x1, of_bias_1x1) + (None,) * 3


def _branch_rows(dilations: Sequence[int], steps: int, offsets: Offsets) -> Iterator[tuple[int, slice, slice]]:
    """For each branch, the frames t and the frames t + steps x dilation: see ``shifted_rows``."""
    for branch, dilation in enumerate(dilations):
        for rows, sources in shifted_rows(offsets, steps * dilation):
            yield branch, rows, sources


def _dot(one: Tensor, other: Tensor) -> float:
    return float(torch.dot(one.reshape(-1), other.reshape(-1)))
