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
        super().__init__(in_channels, out_channels, kernel_size, dilation=dilation)

    def forward(self, frames: Tensor, offsets: Sequence[int]) -> Tensor:  # type: ignore[override]
        """Convolve packed videos; ``offsets`` (videos + 1) says where each begins, and where the last one ends."""
        return self.convolve(frames, offsets, self.dilation[0])

    def convolve(self, frames: Tensor, offsets: Sequence[int], dilation: int) -> Tensor:
        """Convolve with the weights of this layer, at any dilation."""
        padding = dilation * (self.kernel_size[0] - 1) // 2
        videos = [
            F.conv1d(frames[start:end].t().unsqueeze(0), self.weight, self.bias, padding=padding, dilation=dilation)
            for start, end in pairwise(offsets)
        ]
        return torch.cat([video.squeeze(0).t() for video in videos])


INITIAL_BRANCH_WEIGHT = 0.01


class BranchedConv(DilatedConv):
    """A dilated convolution in branches of different dilation that share its weights (Gao et al., CVPR 2021, eq. 4).

    The output is sum_i p_i conv(frames; dilation d_i) with the branch probabilities p_i = |w_i| / sum_j |w_j|; the
    branch weights w_i are learnt, and begin equal. ``inner_activation`` puts a ReLU into each branch, as the published
    Global2Local code does; RF-Next (arXiv 2206.06637) and MMCV have none.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        branches: Sequence[int],
        inner_activation: bool = False,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, branches[0])
        self.branches = tuple(branches)
        self.inner_activation = inner_activation
        self.branch_weights = nn.Parameter(torch.full((len(self.branches),), INITIAL_BRANCH_WEIGHT))

    @classmethod
    def expand(cls, conv: DilatedConv, branches: Sequence[int], inner_activation: bool = False) -> BranchedConv:
        """Put branches in place of a convolution's one dilation. Weight and bias are the very same parameters."""
        branched = cls(conv.in_channels, conv.out_channels, conv.kernel_size[0], branches, inner_activation)
        branched.weight, branched.bias = conv.weight, conv.bias
        return branched

    def collapse(self, dilation: int) -> DilatedConv:
        """A plain convolution of one dilation. Weight and bias are the very same parameters."""
        conv = DilatedConv(self.in_channels, self.out_channels, self.kernel_size[0], dilation)
        conv.weight, conv.bias = self.weight, self.bias
        return conv

    def probabilities(self) -> Tensor:
        """``(branches,)``: non-negative, of sum 1."""
        strengths = self.branch_weights.abs()
        return strengths / strengths.sum()

    def forward(self, frames: Tensor, offsets: Sequence[int]) -> Tensor:  # type: ignore[override]
        """``(frames, in_channels)`` -> ``(frames, out_channels)``; see ``DilatedConv.forward``."""
        outputs = torch.stack([self.convolve(frames, offsets, dilation) for dilation in self.branches])
        if self.inner_activation:
            outputs = outputs.relu()
        return torch.einsum("b,bfc->fc", self.probabilities(), outputs)
