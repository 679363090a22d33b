"""The dilated residual layer over packed frames, written for a CPU: no padding, no copies, few passes over memory.

x -> x + dropout(W2 relu(conv(x)) + b2) is one step for autograd, with a backward pass written out here. Each tap of
the convolution is one matrix product between shifted views of the packed frames. Branches cost no products of their
own: they share the weights, so every tap is multiplied once, and each branch only adds what it reads, shifted.
Derivatives of derivatives are refused by autograd with a message.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Offsets = Sequence[int]


def draw_keep(frames: Tensor, dropout: float) -> Tensor:
    """Which elements dropout keeps, as uint8 of the shape of ``frames``; drawn from torch's global generator.

    For a probability of 0.5 each of the generator's words makes 64 elements: ``bernoulli_`` draws a word for each, and
    would take a fifth of a training step.
    """
    if dropout != 0.5:
        return torch.empty_like(frames, dtype=torch.uint8).bernoulli_(1 - dropout)
    words = torch.empty(-(-frames.numel() // 64), dtype=torch.int64).random_(-(2**63), None)
    bits = np.unpackbits(words.view(torch.uint8).numpy(), count=frames.numel())
    return torch.from_numpy(bits).view(frames.shape)


def shifted_rows(offsets: Offsets, shift: int) -> Iterator[tuple[slice, slice]]:
    """For each video the frames t, and the frames t + shift, as far as both lie within the video."""
    for start, end in pairwise(offsets):
        if abs(shift) < end - start:
            yield (
                slice(start + max(0, -shift), end - max(0, shift)),
                slice(start + max(0, shift), end - max(0, -shift)),
            )


class PlainResidual(torch.autograd.Function):
    """x + keep * scale * (W2 relu(conv(x; dilation)) + b2) for frames x ``(frames, channels)``."""

    @staticmethod
    def forward(
        ctx: Any,
        frames: Tensor,
        weight: Tensor,
        bias: Tensor,
        weight_1x1: Tensor,
        bias_1x1: Tensor,
        dilation: int,
        offsets: Offsets,
        keep: Tensor | None,
        scale: float,
    ) -> Tensor:
        """``weight`` (out, in, kernel) and ``weight_1x1`` (out, in, 1) as nn.Conv1d keeps them; see ``draw_keep``."""
        centre = weight.shape[2] // 2
        taps = weight.permute(2, 1, 0).contiguous()
        hidden = torch.addmm(bias, frames, taps[centre])
        for tap, product in enumerate(taps):
            if tap != centre:
                for rows, sources in shifted_rows(offsets, (tap - centre) * dilation):
                    hidden[rows].addmm_(frames[sources], product)
        hidden.relu_()
        ctx.save_for_backward(frames, hidden, weight, weight_1x1, keep)
        ctx.dilation, ctx.offsets, ctx.scale = dilation, offsets, scale
        return _add_residual(frames, hidden, weight_1x1, bias_1x1, keep, scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of frames, weight, bias, weight_1x1 and bias_1x1."""
        frames, hidden, weight, weight_1x1, keep = ctx.saved_tensors
        of_hidden, of_weight_1x1, of_bias_1x1 = _through_1x1(gradient, hidden, weight_1x1, keep, ctx.scale)
        of_sum = torch.ops.aten.threshold_backward(of_hidden, hidden, 0)
        centre = weight.shape[2] // 2
        taps = weight.permute(2, 0, 1).contiguous()
        of_taps = torch.zeros_like(taps)
        of_frames = torch.addmm(gradient, of_sum, taps[centre])
        torch.mm(of_sum.t(), frames, out=of_taps[centre])
        for tap, product in enumerate(taps):
            if tap != centre:
                for rows, sources in shifted_rows(ctx.offsets, (tap - centre) * ctx.dilation):
                    of_frames[sources].addmm_(of_sum[rows], product)
                    of_taps[tap].addmm_(of_sum[rows].t(), frames[sources])
        of_weight = of_taps.permute(1, 2, 0)
        return of_frames, of_weight, of_sum.sum(0), of_weight_1x1, of_bias_1x1, None, None, None, None


class BranchedResidual(torch.autograd.Function):
    """As ``PlainResidual``, with the sum of branches sum_i p_i conv(x; d_i) for the convolution.

    With ``inner_activation`` it is sum_i p_i relu(conv(x; d_i)), which has no ReLU around the sum: it is not negative.
    """

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
        inner_activation: bool,
        offsets: Offsets,
        keep: Tensor | None,
        scale: float,
    ) -> Tensor:
        """``probabilities`` (branches,) and ``dilations`` (branches,); the others as in ``PlainResidual``."""
        centre = weight.shape[2] // 2
        products = torch.stack([frames.mm(tap) for tap in weight.permute(2, 1, 0).contiguous()])
        products[centre] += bias
        shares = probabilities.tolist()
        branches = []
        if inner_activation:
            hidden = torch.zeros_like(products[centre])
            for dilation, share in zip(dilations, shares, strict=True):
                branch = products[centre].clone()
                _add_taps(branch, products, dilation, offsets, 1.0)
                hidden.add_(branch.relu_(), alpha=share)
                branches.append(branch)
            ctx.save_for_backward(frames, hidden, weight, weight_1x1, keep, *branches)
        else:
            hidden = products[centre] * sum(shares)
            for dilation, share in zip(dilations, shares, strict=True):
                _add_taps(hidden, products, dilation, offsets, share)
            hidden.relu_()
            ctx.save_for_backward(frames, hidden, weight, weight_1x1, keep, products)
        ctx.dilations, ctx.shares, ctx.offsets, ctx.scale = tuple(dilations), shares, offsets, scale
        ctx.inner_activation = inner_activation
        return _add_residual(frames, hidden, weight_1x1, bias_1x1, keep, scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of frames, weight, bias, probabilities, weight_1x1 and bias_1x1."""
        frames, hidden, weight, weight_1x1, keep, *saved = ctx.saved_tensors
        of_hidden, of_weight_1x1, of_bias_1x1 = _through_1x1(gradient, hidden, weight_1x1, keep, ctx.scale)
        centre = weight.shape[2] // 2
        of_products = of_hidden.new_zeros(weight.shape[2], *of_hidden.shape)
        of_shares = []
        if ctx.inner_activation:
            for dilation, share, branch in zip(ctx.dilations, ctx.shares, saved, strict=True):
                of_shares.append(torch.dot(of_hidden.view(-1), branch.view(-1)))
                of_branch = torch.ops.aten.threshold_backward(of_hidden, branch, 0).mul_(share)
                _add_taps_backward(of_products, of_branch, dilation, ctx.offsets, 1.0)
                of_products[centre] += of_branch
        else:
            (products,) = saved
            of_sum = torch.ops.aten.threshold_backward(of_hidden, hidden, 0)
            of_centre = torch.dot(of_sum.view(-1), products[centre].view(-1))
            for dilation, share in zip(ctx.dilations, ctx.shares, strict=True):
                of_shares.append(of_centre + _dot_taps(of_sum, products, dilation, ctx.offsets))
                _add_taps_backward(of_products, of_sum, dilation, ctx.offsets, share)
            torch.mul(of_sum, sum(ctx.shares), out=of_products[centre])
        of_frames = gradient.clone()
        for of_product, tap in zip(of_products, weight.permute(2, 0, 1).contiguous(), strict=True):
            of_frames.addmm_(of_product, tap)
        of_weight = torch.stack([of_product.t().mm(frames) for of_product in of_products]).permute(1, 2, 0)
        of_bias, of_probabilities = of_products[centre].sum(0), torch.stack(of_shares)
        return (of_frames, of_weight, of_bias, of_probabilities, of_weight_1x1, of_bias_1x1) + (None,) * 5


def _add_residual(
    frames: Tensor, hidden: Tensor, weight_1x1: Tensor, bias_1x1: Tensor, keep: Tensor | None, scale: float
) -> Tensor:
    change = torch.addmm(bias_1x1, hidden, weight_1x1[:, :, 0].t())
    if keep is None:
        return change.add_(frames)
    return torch.add(frames, change.mul_(keep), alpha=scale, out=change)


def _through_1x1(
    gradient: Tensor, hidden: Tensor, weight_1x1: Tensor, keep: Tensor | None, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of what goes into the 1x1 convolution, of its weight and of its bias."""
    of_change = gradient if keep is None else gradient * keep
    scale = 1.0 if keep is None else scale
    of_hidden = of_change.mm(weight_1x1[:, :, 0] * scale)
    of_weight = of_change.t().mm(hidden).mul_(scale).unsqueeze(2)
    return of_hidden, of_weight, of_change.sum(0).mul_(scale)


def _outer_taps(products: Tensor, dilation: int, offsets: Offsets) -> Iterator[tuple[int, slice, slice]]:
    """Each tap but the centre, with the frames that read it and those that it is read from."""
    centre = len(products) // 2
    for tap in range(len(products)):
        if tap != centre:
            for rows, sources in shifted_rows(offsets, (tap - centre) * dilation):
                yield tap, rows, sources


def _add_taps(target: Tensor, products: Tensor, dilation: int, offsets: Offsets, share: float) -> None:
    for tap, rows, sources in _outer_taps(products, dilation, offsets):
        target[rows].add_(products[tap, sources], alpha=share)


def _add_taps_backward(of_products: Tensor, gradient: Tensor, dilation: int, offsets: Offsets, share: float) -> None:
    for tap, rows, sources in _outer_taps(of_products, dilation, offsets):
        of_products[tap, sources].add_(gradient[rows], alpha=share)


def _dot_taps(gradient: Tensor, products: Tensor, dilation: int, offsets: Offsets) -> Tensor:
    total = gradient.new_zeros(())
    for tap, rows, sources in _outer_taps(products, dilation, offsets):
        total += torch.dot(gradient[rows].reshape(-1), products[tap, sources].reshape(-1))
    return total
