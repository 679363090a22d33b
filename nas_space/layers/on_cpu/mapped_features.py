"""A 1x1 convolution over features mapped from a file: they take memory only while they are read, part by part.

The input of the first layer is needed twice, at the start of the forward and at the end of the backward pass. In
between it would be the largest array of a training: 50 MB for 6000 frames of 2048 channels, as much as 16 layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

PART = 2**21
"""Numbers per part: 8 MB."""


class MappedLinear(torch.autograd.Function):
    """``F.linear``; each part of the features is released after it was read."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, bias: Tensor, release: Callable[[], object]) -> Tensor:
        """``features`` (frames, in), ``weight`` (out, in), ``bias`` (out,) -> (frames, out)."""
        result = weight.new_empty(len(features), len(weight))
        for part in _parts(features):
            torch.addmm(bias, features[part], weight.t(), out=result[part])
            release()
        ctx.save_for_backward(features, weight)
        ctx.release = release
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[None, Tensor, Tensor, None]:
        """Gradients of weight and bias; features have none."""
        features, weight = ctx.saved_tensors
        grad_weight = torch.zeros_like(weight)
        for part in _parts(features):
            grad_weight.addmm_(grad_output[part].t(), features[part])
            ctx.release()
        return None, grad_weight, grad_output.sum(0), None


def _parts(features: Tensor) -> Iterator[slice]:
    frames = max(1, PART // features.shape[1])
    for start in range(0, len(features), frames):
        yield slice(start, start + frames)
