"""Convolutions over packed frames: the videos of a batch lie one after another, without padding and without a mask."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PointwiseConv(nn.Conv1d):
    """A 1x1 convolution: ``(frames, in_channels)`` -> ``(frames, out_channels)``. Weights as nn.Conv1d keeps them."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=1)

    def forward(self, frames: Tensor) -> Tensor:
        return F.linear(frames, self.weight[:, :, 0], self.bias)


class DilatedConv(nn.Conv1d):
    """A dilated convolution of odd kernel size k and padding d (k - 1) / 2, which keeps the number of frames.

    ``(frames, in_channels)`` -> ``(frames, out_channels)``; each video is convolved on its own, zeros beyond its ends.
    Weights as nn.Conv1d keeps them: ``(out_channels, in_channels, kernel)``.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, dilation: int) -> None:
        padding = dilation * (kernel_size - 1) // 2
        super().__init__(in_channels, out_channels, kernel_size, padding=padding, dilation=dilation)

    def forward(self, frames: Tensor, offsets: Sequence[int]) -> Tensor:  # type: ignore[override]
        """Convolve packed videos; ``offsets`` (videos + 1) says where each begins, and where the last one ends."""
        videos = [
            super(DilatedConv, self).forward(frames[start:end].t().unsqueeze(0)).squeeze(0).t()
            for start, end in pairwise(offsets)
        ]
        return torch.cat(videos)
