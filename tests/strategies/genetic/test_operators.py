from __future__ import annotations

import math
from collections import Counter
from itertools import product
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.genetic import crossover, mutate, roulette, sample_genes
from tests.strategies.genetic.small_spaces import (
    CANDIDATES,
    generator,
    law,
    seeds,
    shares,
    spaces,
)


@law
@given(spaces(), seeds)
def test_draw_takes_each_gene_from_its_own_candidates(space: dict[str, tuple[int, ...]], seed: int) -> None:
    candidates = list(space.values())
    assert sample_genes(candidates, generator(seed)) in set(product(*candidates))


def test_draw_is_uniform() -> None:
    random = generator(0)
    drawn = shares(sample_genes([(1, 2, 4), (8, 16)], random) for _ in range(6000))
    # One standard deviation of a share is 0.0048.
    assert drawn == {genes: pytest.approx(1 / 6, abs=0.02) for genes in product((1, 2, 4), (8, 16))}


@law
@given(st.lists(st.integers(-3, 9), min_size=1, max_size=12).filter(lambda fitness: max(fitness) > 0))
def test_roulette_gives_each_its_exact_share_of_the_wheel(fitness: list[int]) -> None:
    slots = sum(max(value, 0) for value in fitness)
    random = Mock(spec=np.random.Generator)
    random.random.side_effect = [(slot + 0.5) / slots for slot in range(slots)]
    drawn = Counter(roulette(fitness, random) for _ in range(slots))
    assert [drawn[index] for index in range(len(fitness))] == [max(value, 0) for value in fitness]


def test_roulette_is_proportional_to_fitness() -> None:
    random = generator(1)
    drawn = shares(roulette([1.0, 0.0, 5.0, 4.0], random) for _ in range(10_000))
    # One standard deviation of a share is at most 0.005.
    assert drawn == {0: pytest.approx(0.1, abs=0.02), 2: pytest.approx(0.5, abs=0.02), 3: pytest.approx(0.4, abs=0.02)}


@law
@given(
    st.lists(st.just(0.0) | st.floats(1e-6, 1e6), min_size=1, max_size=8).filter(any),
    st.sampled_from([0.0, math.nextafter(1.0, 0.0)]) | st.floats(0, 1, exclude_max=True),
)
def test_roulette_never_stops_at_zero_fitness(fitness: list[float], turn: float) -> None:
    random = Mock(spec=np.random.Generator)
    random.random.return_value = turn
    assert fitness[roulette(fitness, random)] > 0


@pytest.mark.parametrize("fitness", [[0.0] * 4, [-1.0, -2.0, 0.0, -3.0]])
def test_roulette_is_uniform_without_positive_fitness(fitness: list[float]) -> None:
    random = generator(2)
    drawn = shares(roulette(fitness, random) for _ in range(4000))
    # One standard deviation of a share is 0.007.
    assert drawn == {index: pytest.approx(0.25, abs=0.03) for index in range(4)}


@law
@given(st.integers(1, 40), seeds)
def test_crossover_takes_one_segment_from_the_second(layers: int, seed: int) -> None:
    first, second = tuple(range(layers)), tuple(range(100, 100 + layers))
    child = crossover(first, second, generator(seed))
    taken = [layer for layer in range(layers) if child[layer] == second[layer]]
    assert taken == list(range(taken[0], taken[-1] + 1))
    assert [gene for layer, gene in enumerate(child) if layer not in taken] == [n for n in first if n not in taken]


def test_crossover_takes_every_segment_equally_often() -> None:
    random = generator(3)
    drawn = shares(crossover((0, 0, 0, 0), (1, 1, 1, 1), random) for _ in range(5000))
    segments = [
        tuple(int(start <= layer < end) for layer in range(4)) for start in range(4) for end in range(start + 1, 5)
    ]
    # One standard deviation of a share is 0.0042.
    assert drawn == {segment: pytest.approx(0.1, abs=0.02) for segment in segments}


@law
@given(spaces(), seeds)
def test_mutation_at_rate_0_changes_nothing(space: dict[str, tuple[int, ...]], seed: int) -> None:
    candidates = list(space.values())
    genes = sample_genes(candidates, generator(seed))
    assert mutate(genes, candidates, 0.0, generator(seed + 1)) == genes


def test_mutation_at_rate_1_is_a_uniform_draw() -> None:
    random = generator(4)
    drawn = shares(mutate((1, 16), [(1, 2, 4), (8, 16)], 1.0, random) for _ in range(6000))
    assert drawn == {genes: pytest.approx(1 / 6, abs=0.02) for genes in product((1, 2, 4), (8, 16))}


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.7])
def test_mutation_draws_each_gene_anew_at_its_rate(rate: float) -> None:
    random = generator(5)
    genes = (4,) * 8
    children = [mutate(genes, [CANDIDATES] * 8, rate, random) for _ in range(1500)]
    # Of 5 candidates the same one comes back once in 5; one standard deviation of a share is at most 0.0045.
    changed = {layer: sum(child[layer] != 4 for child in children) / 1500 for layer in range(8)}
    assert sum(changed.values()) / 8 == pytest.approx(rate * 4 / 5, abs=0.02)
    assert changed == {layer: pytest.approx(rate * 4 / 5, abs=0.06) for layer in range(8)}
