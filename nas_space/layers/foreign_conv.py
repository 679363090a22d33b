"""Convolutions of any network with dilations of our choice, without a change of its modules or its state dict.

``nn.Conv1d.forward`` computes the weight (also where that is parametrised) and calls ``self._conv_forward``. That is
rebound on the instance, to a form that pads by (k - 1) (d - d0) more than the network's authors did for their dilation
d0: so each output has the length that they planned, and is what it would be had they chosen d.
"""

from __future__ import annotations

import types
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

import torch.nn.functional as F
from torch import Tensor, nn

from nas_space.layers.branches import Branches, Choices, SearchableConv

FORM = "searched"
"""Name of the child module of a rebound convolution that computes it."""

AnyConv = nn.Conv1d | nn.Conv2d


def reaches_along_one_axis(module: nn.Module | None) -> TypeGuard[AnyConv]:
    """Whether a module is a convolution with an odd kernel larger than 1 along one axis, and of 1 along any other."""
    if not isinstance(module, nn.Conv1d | nn.Conv2d):
        return False
    *others, largest = sorted(module.kernel_size)
    return largest > 1 and largest % 2 == 1 and all(size == 1 for size in others)


def is_searchable(module: nn.Module | None) -> TypeGuard[AnyConv]:
    """Whether a module is such a convolution of stride 1 that pads with zeros."""
    return reaches_along_one_axis(module) and set(module.stride) == {1} and module.padding_mode == "zeros"


@dataclass(frozen=True)
class Geometry:
    """How a convolution reads time."""

    kernel_size: int
    hand: int
    """The dilation that its authors chose."""
    axis: int
    """That of time: 0, or 1 for a 2-D convolution with the kernel (1, k)."""
    padding: tuple[int, ...]
    """Zeros that it adds on both sides of each axis at this dilation; its network may add others before."""
    causal: bool
    """Whether a longer reach is padded on the left only."""

    @classmethod
    def of(cls, conv: AnyConv, causal: bool) -> Geometry:
        """The geometry of a convolution of stride 1 with an odd kernel larger than 1 along one axis."""
        axis = max(range(len(conv.kernel_size)), key=conv.kernel_size.__getitem__)
        if isinstance(conv.padding, str):
            same = conv.padding == "same"
            reaches = zip(conv.kernel_size, conv.dilation, strict=True)
            padding = tuple(dilation * (size - 1) // 2 if same else 0 for size, dilation in reaches)
        else:
            padding = tuple(conv.padding)
        return cls(conv.kernel_size[axis], conv.dilation[axis], axis, padding, causal)

    @property
    def own_reach(self) -> tuple[int, int]:
        """Frames of past and future at the authors' dilation."""
        reach = (self.kernel_size - 1) * self.hand
        return (reach, 0) if self.causal else (reach // 2, reach // 2)

    def pads(self, dilation: int) -> tuple[int, int]:
        """Zeros before and after, which are cut off instead where they are negative."""
        more = (self.kernel_size - 1) * (dilation - self.hand)
        before, after = (more, 0) if self.causal else (more // 2, more // 2)
        return self.padding[self.axis] + before, self.padding[self.axis] + after


class ForeignConv(SearchableConv, nn.Module):
    """One dilation; has no weights of its own."""

    def __init__(self, geometry: Geometry, dilation: int) -> None:
        super().__init__()
        self.geometry = geometry
        self.dilation = dilation

    def forward(self, conv: AnyConv, frames: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """What ``conv._conv_forward(frames, weight, bias)`` would be at this dilation."""
        return self.convolve(conv, frames, weight, bias, self.dilation)

    def convolve(self, conv: AnyConv, frames: Tensor, weight: Tensor, bias: Tensor | None, dilation: int) -> Tensor:
        """As ``forward``, at any dilation."""
        axis = self.geometry.axis
        before, after = self.geometry.pads(dilation)
        padding, dilations = list(self.geometry.padding), list(conv.dilation)
        dilations[axis] = dilation
        if before == after >= 0:  # as most networks pad themselves: without a copy, and with equal bits
            padding[axis] = before
        else:
            padding[axis] = 0
            frames = F.pad(frames, [0, 0] * (len(padding) - 1 - axis) + [before, after])
        convolution = F.conv1d if len(padding) == 1 else F.conv2d
        return convolution(frames, weight, bias, conv.stride, padding, dilations, conv.groups)

    def branched(self, branches: Sequence[int], inner_activation: bool = False) -> BranchedForeignConv:
        """See ``SearchableConv.branched``."""
        return BranchedForeignConv(self.geometry, branches, inner_activation)

    def choosing(self, candidates: Sequence[int]) -> ChoosingForeignConv:
        """See ``SearchableConv.choosing``."""
        return ChoosingForeignConv(self.geometry, candidates)


class BranchedForeignConv(Branches, ForeignConv):
    """Branches, as those of ``BranchedConv``."""

    def __init__(self, geometry: Geometry, branches: Sequence[int], inner_activation: bool = False) -> None:
        super().__init__(geometry, max(branches))
        self.set_branches(branches, inner_activation)

    def collapse(self, dilation: int) -> ForeignConv:
        """See ``Branches.collapse``."""
        return ForeignConv(self.geometry, dilation)

    def forward(self, conv: AnyConv, frames: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """See ``ForeignConv.forward``."""
        outputs = [self.convolve(conv, frames, weight, bias, dilation) for dilation in self.dilations]
        if self.inner_activation:
            outputs = [output.relu() for output in outputs]
        shares = self.shares().to(outputs[0].dtype)  # of autocast, say
        mixed = shares[0] * outputs[0]
        for share, output in zip(shares[1:], outputs[1:], strict=True):
            mixed = mixed + share * output
        return mixed


class ChoosingForeignConv(Choices, BranchedForeignConv):
    """Choices, as those of ``ChoosingConv``."""

    def __init__(self, geometry: Geometry, candidates: Sequence[int]) -> None:
        super().__init__(geometry, candidates)
        nn.init.zeros_(self.branch_weights)


def rebind(conv: nn.Module, geometry: Geometry, dilation: int) -> None:
    """Give a convolution another dilation, in place; its child ``FORM`` can be replaced by one with branches."""
    conv.add_module(FORM, ForeignConv(geometry, dilation))
    conv._conv_forward = types.MethodType(_conv_forward, conv)  # type: ignore[assignment]


def _conv_forward(conv: AnyConv, frames: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    output: Tensor = getattr(conv, FORM)(conv, frames, weight, bias)
    return output
