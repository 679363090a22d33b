"""Hold a network whose layers choose their dilations within a budget while it learns to choose."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from nas_space.budget import Budget
from nas_space.network import Network
from nas_space.searchable import choices

ROUNDING = 1e-9
"""Relative tolerance on each limit."""


@torch.no_grad()
def project(module: nn.Module, network: Network, budget: Budget, progress: float = 1.0) -> None:
    """Change the probabilities of the branches, in place, until the expected costs are allowed.

    For one limit, they change as little as is needed.

    Of all distributions that keep a limit on the expected cost, the one with the least relative entropy to p is
    proportional to p_i exp(-t c_i), with the cost c_i of branch i and the same t >= 0 in all layers (Csiszar, Annals of
    Probability, 1975, section 3). Several limits are taken one after another, so that an earlier one may end below what
    is allowed.

    Args:
        module: its searchable convolutions are choosing ones, whose smallest branches keep the budget.
        progress: at 1 the limits of the budget are allowed, at 0 what equally probable branches cost, if that is more;
            between them limits fall evenly on a logarithmic scale.
    """
    layers = choices(module, network)
    if not layers:  # all are left out
        return
    branches = _padded([conv.branch_weights.new_tensor(conv.branches) for conv in layers.values()], 0.0)
    before = _padded([conv.logits() for conv in layers.values()], -torch.inf)

    def excess(logits: Tensor) -> list[float]:
        """By which share the expected costs exceed each limit, for logits ``(layers, branches)``."""
        probabilities = logits.softmax(dim=1)
        expected = ((probabilities * each).sum(dim=1).tolist() for each in (branches, (branches > 0).double()))
        dilations, kept = (dict(zip(layers, of_layers, strict=True)) for of_layers in expected)
        return budget.excess(
            network, *([each.get(label, 0.0) for label in network.paths] for each in (dilations, kept))
        )

    equal = excess(torch.zeros_like(before).masked_fill(before.isneginf(), -torch.inf))
    allowed = [max(1 + share, 1.0) ** (1 - progress) - 1 + ROUNDING for share in equal]
    logits = before
    for number, costs in enumerate(budget.costs(network)):
        per_frame, per_layer = (logits.new_tensor([costs[label][kind] for label in layers]) for kind in (0, 1))
        cost = per_frame[:, None] * branches + per_layer[:, None] * (branches > 0)

        def is_allowed(tilt: float, cost: Tensor = cost, number: int = number, start: Tensor = logits) -> bool:
            return excess(start - tilt * cost)[number] <= allowed[number]

        if not is_allowed(0.0):
            logits = logits - _least(is_allowed, 1e-3 / float(cost.max())) * cost
    if logits is not before:
        for conv, of_layer in zip(layers.values(), logits, strict=True):
            conv.set_logits(of_layer[: len(conv.branches)])


def _padded(rows: list[Tensor], padding: float) -> Tensor:
    """One row a layer, on the CPU: ``(layers, branches)``."""
    return pad_sequence([row.double().cpu() for row in rows], batch_first=True, padding_value=padding)


def _least(is_allowed: Callable[[float], bool], first: float) -> float:
    """The least number that is allowed, or up to 1 % more; all that are larger are allowed, too.

    Infinite where none is: the probabilities are NaN, as the next loss will show.
    """
    low, high = 0.0, first
    while not is_allowed(high) and high < math.inf:
        low, high = high, 4 * high
    while high - low > 0.01 * max(high, first):
        middle = (low + high) / 2
        low, high = (low, middle) if is_allowed(middle) else (middle, high)
    return high
