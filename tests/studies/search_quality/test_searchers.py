from __future__ import annotations

import math
import random
from statistics import mean

import pytest

from nas_space.networks import find_network
from nas_space.structure import Structure
from studies.search_quality.searchers import SEARCHERS, first_population

NETWORK = find_network("ms-tcn:stages=2,layers=5")


def smallness(structure: Structure) -> float:
    """At most 100, for dilations of 1 only."""
    return 100 - sum(math.log2(dilation) for dilation in structure.dilations)


def propose(strategy: str, seed: int, evaluations: int) -> list[Structure]:
    searcher = SEARCHERS[strategy](evaluations, seed, NETWORK)
    structures = [next(searcher)]
    while len(structures) < evaluations:
        random.random()  # anybody else may draw from Python's generator meanwhile
        structures.append(searcher.send(smallness(structures[-1])))
    return structures


@pytest.mark.parametrize("strategy", SEARCHERS)
def test_the_seed_decides_the_proposals(strategy: str) -> None:
    one = propose(strategy, 3, 24)
    assert one == propose(strategy, 3, 24)
    assert one != propose(strategy, 4, 24)


@pytest.mark.parametrize("strategy", ["genetic", "tpe", "evolution"])
def test_searches_maximise(strategy: str) -> None:
    scores = [smallness(structure) for structure in propose(strategy, 0, 120)]
    # Ten random exponents of 0..10 add up to 50 on average, with a deviation of 10.
    first = mean(scores[: first_population(120)])
    assert first == pytest.approx(50, abs=6)
    assert mean(scores[-20:]) > first + 5


def test_the_genetic_search_begins_as_random_search_does() -> None:
    drawn, bred = propose("random", 1, 24), propose("genetic", 1, 24)
    assert drawn[:8] == bred[:8]
    assert drawn[8] != bred[8]


def test_evolution_leaves_the_generator_of_others_alone() -> None:
    before = random.getstate()
    searcher = SEARCHERS["evolution"](6, 0, NETWORK)
    next(searcher)
    for _ in range(5):
        searcher.send(1.0)
    assert random.getstate() == before
