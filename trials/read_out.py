"""The structure that a differentiable search has found, from the probabilities of the candidates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from nas_space.budget import Budget, Moves
from nas_space.network import Network
from nas_space.structure import Structure

LEAST = 1e-30
"""Stands for a probability of 0, which has no logarithm."""


def read_out(
    probabilities: Mapping[str, Sequence[float]],
    candidates: Mapping[str, Sequence[int]],
    network: Network,
    budget: Budget,
) -> Structure:
    """The most probable candidate of each layer, of several the first; shortened until the budget is kept.

    A layer is left out where that is more probable than all its dilations together.

    Next is always the layer and the smaller candidate that lose least of the probability's logarithm by what they save.

    Args:
        probabilities, candidates: of each layer, by short label.

    Raises:
        BadInput: no structure over these candidates keeps the budget.
    """
    logarithms = {
        label: {
            dilation: math.log(max(probability, LEAST))
            for dilation, probability in zip(candidates[label], learned, strict=True)
        }
        for label, learned in probabilities.items()
    }

    def cheapest(moves: Moves, dilations: Mapping[str, int]) -> tuple[str, int]:
        def loss(move: tuple[str, int]) -> float:
            label, to = move
            return (logarithms[label][dilations[label]] - logarithms[label][to]) / moves[label][to]

        return min(((label, to) for label, lower in moves.items() for to in lower), key=loss)

    likeliest = {label: _likeliest(of_layer) for label, of_layer in logarithms.items()}
    return budget.shorten(Structure.from_labels(likeliest, network), candidates, cheapest)


def _likeliest(logarithms: Mapping[int, float]) -> int:
    kept = {dilation: each for dilation, each in logarithms.items() if dilation > 0}
    if not kept or logarithms.get(0, -math.inf) > math.log(0.5):
        return 0
    return max(kept, key=kept.__getitem__)
