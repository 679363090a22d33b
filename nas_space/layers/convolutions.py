"""Convolutions over packed frames: the videos of a batch lie one after another, without padding and without a mask.

Plain PyTorch for any device and precision, in two forms: with indexed offsets the frames are gathered, which is fast
on a GPU; else each video is padded to the longest one, which is the reference in tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_space.layers.branches import Branches, Choices, SearchableConv
from nas_space.layers.on_gpu.gathered import GatheredConv
from nas_space.layers.on_gpu.indexed_offsets import IndexedOffsets, shifts_on


class PointwiseConv(nn.Conv1d):
    """A 1x1 convolution: ``(frames, in_channels)`` -> ``(frames, out_channels)``. Weights as in nn.Conv1d."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=1)

    def forward(self, frames: Tensor) -> Tensor:
        return F.linear(frames, self.weight.squeeze(2), self.bias)


class LeftOut(nn.Module):
    """Stands for the convolutions of a layer that is left out: it has no weights, and is never called."""


class DilatedConv(SearchableConv, nn.Conv1d):
    """A dilated convolution of odd kernel size k that keeps the number of frames.

    It is padded with zeros by d (k - 1) / 2 on both sides, or, if causal, by d (k - 1) in front.
    ``(frames, in_channels)`` -> ``(frames, out_channels)``; each video is convolved on its own.
    Weights as in nn.Conv1d: ``(out_channels, in_channels, kernel)``.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, dilation: int, causal: bool = False
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, dilation=dilation)
        self.present = kernel_size - 1 if causal else kernel_size // 2
        """Index of the tap that reads the frame of the output itself."""
        # In memory tap by tap, so that each tap and its gradient are matrices that need no copy.
        tap_by_tap = self.weight.detach().permute(2, 0, 1).contiguous()
        self.weight = nn.Parameter(tap_by_tap.permute(1, 2, 0))

    def forward(self, frames: Tensor, offsets: Sequence[int]) -> Tensor:  # type: ignore[override]
        """Convolve packed videos; ``offsets`` (videos + 1,): the start of each, and the end of the last one."""
        if isinstance(offsets, IndexedOffsets):
            return self.gathered(frames, offsets, (self.dilation[0],), None)
        return self.convolve(frames, offsets, [self.dilation[0]])[0]

    def gathered(
        self, frames: Tensor, offsets: IndexedOffsets, dilations: tuple[int, ...], shares: Tensor | None
    ) -> Tensor:
        """The sum of the convolutions at these dilations by their ``shares`` (dilations,); None: of one dilation."""
        shifts = shifts_on(frames.device, dilations, self.kernel_size[0], self.present)
        return GatheredConv.apply(frames, self.weight, self.bias, shares, offsets, shifts)

    def convolve(self, frames: Tensor, offsets: Sequence[int], dilations: Sequence[int]) -> Tensor:
        """Convolve at each of these dilations with the same weights: ``(dilations, frames, out_channels)``."""
        videos, longest = len(offsets) - 1, max(end - start for start, end in pairwise(offsets))
        rows = torch.cat([torch.arange(end - start) + n * longest for n, (start, end) in enumerate(pairwise(offsets))])
        rows = rows.to(frames.device)
        padded = frames.new_zeros(videos * longest, self.in_channels).index_copy(0, rows, frames)
        padded = padded.view(videos, longest, self.in_channels).transpose(1, 2)
        past, future = self.present, self.kernel_size[0] - 1 - self.present
        results = [
            F.conv1d(F.pad(padded, (d * past, d * future)), self.weight, self.bias, dilation=d) for d in dilations
        ]
        return torch.stack([result.transpose(1, 2).flatten(0, 1).index_select(0, rows) for result in results])

    def taps(self) -> dict[int, Tensor]:
        """The matrix ``(out_channels, in_channels)`` of each frame that is read, seen from that of the output."""
        dilation = self.dilation[0]
        return {(index - self.present) * dilation: tap for index, tap in enumerate(self.weight.unbind(2))}

    def branched(self, branches: Sequence[int], inner_activation: bool = False) -> BranchedConv:
        """See ``SearchableConv.branched``."""
        return BranchedConv.expand(self, branches, inner_activation)

    def choosing(self, candidates: Sequence[int]) -> ChoosingConv | LeftOut:
        """See ``SearchableConv.choosing``."""
        return ChoosingConv.among(self, candidates)


class BranchedConv(Branches, DilatedConv):
    """A dilated convolution in branches of different dilation that share its weights (Gao et al., CVPR 2021, eq. 4).

    The output is sum_i p_i conv(frames; dilation d_i) with the probabilities of the branches. ``inner_activation`` adds
    a ReLU to each branch, as the published Global2Local code does; RF-Next (arXiv 2206.06637) and MMCV do not.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        branches: Sequence[int],
        inner_activation: bool = False,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, max(branches))
        self.set_branches(branches, inner_activation)

    @classmethod
    def expand(cls, conv: DilatedConv, branches: Sequence[int], inner_activation: bool = False) -> Self:
        """A branched version of a convolution, which shares its weight and bias."""
        branched = cls(conv.in_channels, conv.out_channels, conv.kernel_size[0], branches, inner_activation)
        branched.present = conv.present
        branched.weight, branched.bias = conv.weight, conv.bias
        return branched

    def taps(self) -> dict[int, Tensor]:
        """Those of all branches: of the frames that several read, their sum."""
        summed: dict[int, Tensor] = {}
        for share, dilation in zip(self.shares(), self.dilations, strict=True):
            for index, tap in enumerate(self.weight.unbind(2)):
                frame = (index - self.present) * dilation
                summed[frame] = summed.get(frame, 0) + share * tap
        return summed

    def collapse(self, dilation: int) -> DilatedConv | LeftOut:
        """A plain convolution of one dilation, which shares weight and bias."""
        if dilation == 0:
            return LeftOut()
        conv = DilatedConv(self.in_channels, self.out_channels, self.kernel_size[0], dilation)
        conv.present = self.present
        conv.weight, conv.bias = self.weight, self.bias
        return conv

    def forward(self, frames: Tensor, offsets: Sequence[int]) -> Tensor:  # type: ignore[override]
        """``(frames, in_channels)`` -> ``(frames, out_channels)``; see ``DilatedConv.forward``."""
        if isinstance(offsets, IndexedOffsets) and not self.inner_activation:
            return self.gathered(frames, offsets, self.dilations, self.shares())
        outputs = self.convolve(frames, offsets, self.dilations)
        if self.inner_activation:
            outputs = outputs.relu()
        return torch.einsum("b,bfc->fc", self.shares(), outputs)


class ChoosingConv(Choices, BranchedConv):
    """A dilated convolution that chooses among branches; see ``Choices``."""

    @classmethod
    def among(cls, conv: DilatedConv, candidates: Sequence[int]) -> ChoosingConv | LeftOut:
        """A version of a convolution that chooses among dilations and shares its weight and bias."""
        if not any(candidates):
            return LeftOut()
        choosing = cls.expand(conv, candidates)
        nn.init.zeros_(choosing.branch_weights)
        return choosing
