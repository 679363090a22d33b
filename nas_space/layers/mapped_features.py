"""A 1x1 convolution over features that lie in a file: they take memory only while they are read, part by part.

The input of the first layer is needed twice, at the beginning of a forward and at the end of a backward pass. In
between it would be the largest array of a training: 50 MB for 6000 frames of 2048 channels, as much as 16 layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

PART = 2**21
"""Numbers that are read at once: 8 MB."""


class MappedLinear(torch.autograd.Function):
    """``F.linear`` of features, of which nothing is kept in memory after a part of them was read."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, bias: Tensor, let_go: Callable[[], object]) -> Tensor:
        """``features`` (frames, in), ``weight`` (out, in), ``bias`` (out,) -> (frames, out)."""
        result = weight.new_empty(len(features), len(weight))
        for part in _parts(features):
            torch.addmm(bias, features[part], weight.t(), out=result[part])
            let_go()
        ctx.save_for_backward(features, weight)
        ctx.let_go = let_go
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, Tensor, None]:
        """Gradients of weight and bias; features have none."""
        features, weight = ctx.saved_tensors
        of_weight = torch.zeros_like(weight)
        for part in _parts(features):
            of_weight.addmm_(gradient[part].t(), features[part])
            ctx.let_go()
        return None, of_weight, gradient.sum(0), None


def _parts(features: Tensor) -> Iterator[slice]:
    frames = max(1, PART // features.shape[1])
    for start in range(0, len(features), frames):
        yield slice(start, start + frames)
