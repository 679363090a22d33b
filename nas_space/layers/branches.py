"""What a convolution that is searched has, whatever network it lies in: branches, and their learned probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

INITIAL_BRANCH_WEIGHT = 0.01
BRANCH_WEIGHTS = "branch_weights"
"""Suffix of the names of their parameters."""


class SearchableConv:
    """A convolution of one dilation that can get branches; a base beside nn.Module."""

    def branched(self, branches: Sequence[int], inner_activation: bool = False) -> nn.Module:
        """A version with branches of these dilations (``Branches``) that shares its weights."""
        raise NotImplementedError

    def choosing(self, candidates: Sequence[int]) -> nn.Module:
        """A version that chooses among dilations (``Choices``) and shares its weights."""
        raise NotImplementedError


class Branches:
    """Branches of different dilation that share the weights of a convolution; a base beside nn.Module.

    The branch probabilities are p_i = |w_i| / sum_j |w_j|; the branch weights w_i are learned, and start equal.
    """

    branches: tuple[int, ...]
    """Their dilations."""
    dilations: tuple[int, ...]
    """Those of the branches that convolve: all but a branch of dilation 0, which only ``Choices`` can have."""
    inner_activation: bool
    branch_weights: nn.Parameter

    def set_branches(self, branches: Sequence[int], inner_activation: bool) -> None:
        """Called once, after nn.Module's initialisation."""
        self.branches = tuple(branches)
        self.dilations = tuple(dilation for dilation in branches if dilation > 0)
        self.inner_activation = inner_activation
        self.branch_weights = nn.Parameter(torch.full((len(self.branches),), INITIAL_BRANCH_WEIGHT))

    def set_shares(self, shares: Sequence[float]) -> None:
        """Set the probabilities, ``(branches,)``, to numbers of sum 1."""
        with torch.no_grad():
            self.branch_weights.copy_(torch.tensor(shares) * INITIAL_BRANCH_WEIGHT * len(shares))

    def collapse(self, dilation: int) -> nn.Module:
        """A plain convolution of one dilation, which shares the weights."""
        raise NotImplementedError

    def probabilities(self) -> Tensor:
        """``(branches,)``: non-negative, of sum 1."""
        return self.shares()

    def shares(self, weights: Tensor | None = None) -> Tensor:
        """``(dilations,)``: the probabilities of the branches that convolve, of sum 1.

        Args:
            weights: the branch weights of several convolutions that are ``alike``, ``(convolutions, branches)``, for
                ``(convolutions, dilations)``; None: its own.
        """
        strengths = (self.branch_weights if weights is None else weights).abs()
        return strengths / strengths.sum(-1, keepdim=True)

    def kept(self, weights: Tensor | None = None) -> Tensor | None:  # noqa: ARG002  Choices use it
        """The probability that the layer is not left out, one number; None where that is no choice.

        Args:
            weights: as in ``shares``, for ``(convolutions,)``.
        """
        return None

    def alike(self) -> tuple[object, ...]:
        """What convolutions have in common if one of them can tell the ``shares`` of all."""
        return type(self), tuple(dilation > 0 for dilation in self.branches)


class Choices(Branches):
    """Branches with the probabilities softmax(branch weights / temperature).

    The lower the temperature, the closer the output is to the most probable branch alone. All start equally probable.
    A branch of dilation 0 is the choice to leave the layer out: the output is that of the others, and the layer adds
    it to its input ``kept`` times.
    """

    gated: bool = False
    """Whether leaving out is decided first, with the probability sigmoid(its weight / temperature), and the softmax is
    over the others; only where 0 is a branch."""

    _temperature: float = 1.0
    _temperature_on_device: Tensor
    """The same number, which a step that is recorded on a GPU reads there when it is replayed."""

    def set_branches(self, branches: Sequence[int], inner_activation: bool) -> None:
        """See ``Branches.set_branches``."""
        super().set_branches(branches, inner_activation)
        cast(nn.Module, self).register_buffer("_temperature_on_device", torch.ones(()), persistent=False)

    @property
    def temperature(self) -> float:
        """1 at the start."""
        return self._temperature

    @temperature.setter
    def temperature(self, temperature: float) -> None:
        self._temperature = temperature
        self._temperature_on_device.fill_(temperature)

    def gate(self) -> None:
        """Decide first whether the layer is left out, if that is a choice; the probabilities stay."""
        logits = self.logits()
        self.gated = self.dilations != self.branches
        self.set_logits(logits)

    def probabilities(self) -> Tensor:
        """``(branches,)``: non-negative, of sum 1."""
        if not self.gated:
            return torch.softmax(self.branch_weights / self.temperature, dim=0)
        kept = self.kept()
        assert kept is not None
        return (1 - kept).repeat(len(self.branches)).index_copy(0, self._convolving, kept * self.shares())

    def logits(self) -> Tensor:
        """The logarithms of the probabilities, also of those too small for a number: ``(branches,)``, float64."""
        weights = self.branch_weights.double() / self.temperature
        if not self.gated:
            return weights.log_softmax(dim=0)
        left_out = weights.index_select(0, self._leaving_out)
        others = weights.index_select(0, self._convolving).log_softmax(dim=0) + F.logsigmoid(-left_out)
        return F.logsigmoid(left_out).repeat(len(weights)).index_copy(0, self._convolving, others)

    def set_logits(self, logits: Tensor) -> None:
        """Set the probabilities to softmax(logits), ``(branches,)``, at the present temperature."""
        with torch.no_grad():
            weights = logits.to(self.branch_weights)
            if self.gated:
                others = weights.index_select(0, self._convolving).logsumexp(dim=0)
                weights = weights.index_add(0, self._leaving_out, -others[None])
            self.branch_weights.copy_(self.temperature * weights)

    def shares(self, weights: Tensor | None = None) -> Tensor:
        """See ``Branches.shares``; not divided by ``kept``, which may be too small for that."""
        logits = (self.branch_weights if weights is None else weights) / self._temperature_on_device
        if self.dilations != self.branches:
            logits = logits.index_select(-1, self._convolving)
        return torch.softmax(logits, dim=-1)

    def kept(self, weights: Tensor | None = None) -> Tensor | None:
        """See ``Branches.kept``."""
        if self.dilations == self.branches:
            return None
        logits = (self.branch_weights if weights is None else weights) / self._temperature_on_device
        if self.gated:
            return torch.sigmoid(-logits.index_select(-1, self._leaving_out)).sum(-1)
        return torch.softmax(logits, dim=-1).index_select(-1, self._convolving).sum(-1)

    def alike(self) -> tuple[object, ...]:
        """See ``Branches.alike``."""
        return *super().alike(), self.temperature, self.gated

    @property
    def _convolving(self) -> Tensor:
        """``(dilations,)``: the positions of the branches that convolve."""
        return _positions(self.branch_weights.device, tuple(dilation > 0 for dilation in self.branches))

    @property
    def _leaving_out(self) -> Tensor:
        """``(1,)``: the position of the branch of dilation 0."""
        return _positions(self.branch_weights.device, tuple(dilation == 0 for dilation in self.branches))


@lru_cache
def _positions(device: torch.device, chosen: tuple[bool, ...]) -> Tensor:
    """Where ``chosen`` is true, on a device: kept, as a copy to a GPU is waited for."""
    return torch.tensor([position for position, each in enumerate(chosen) if each], device=device)
