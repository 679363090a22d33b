from __future__ import annotations

import math

import numpy as np
import pytest

from strategies.genetic import GeneticSearch
from tests.strategies.genetic.small_spaces import (
    CANDIDATES,
    SPACE,
    play,
)

RIGHT = {label: CANDIDATES[3 * layer % 5] for layer, label in enumerate(SPACE)}


def right_genes(dilations: dict[str, int]) -> float:
    return float(sum(dilations[label] == right for label, right in RIGHT.items()))


def best_of(evaluations: int, seed: int) -> float:
    search = GeneticSearch(SPACE, 20, evaluations, seed=seed)
    return max(right_genes(proposal.dilations) for proposal in play(search, right_genes, evaluations))


def test_finds_the_optimum() -> None:
    # Random search needs 390 625 evaluations for it on average; this needs 300 at most, 165 in the median.
    assert [best_of(500, seed) for seed in range(20)] == [8.0] * 20


def test_beats_random_search() -> None:
    # Right genes of a random structure are binomial (8, 1/5); the expected best of 200 is exactly 5.11.
    below = np.cumsum([math.comb(8, right) * 0.2**right * 0.8 ** (8 - right) for right in range(8)])
    random_search = 8 - float(np.sum(below**200))
    assert random_search == pytest.approx(5.11, abs=0.01)
    assert np.mean([best_of(200, seed) for seed in range(20)]) > random_search + 2
