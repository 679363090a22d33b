from __future__ import annotations

import math
from collections import Counter
from itertools import permutations, product
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.genes import crossover, mutate, roulette, sample_genes
from strategies.genetic import GeneticSearch
from tests.strategies.small_spaces import (
    CANDIDATES,
    SPACE,
    generator,
    law,
    play,
    scored,
    seeds,
    shares,
    size,
    small_fitness,
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


@law
@given(
    spaces(),
    seeds,
    st.integers(2, 6),
    st.sampled_from([0.0, 0.2, 1.0]),
    st.lists(st.sampled_from(["tell", "fail", "leave"]), min_size=1),
)
def test_a_space_is_exhausted_without_repeats(
    space: dict[str, tuple[int, ...]], seed: int, population_size: int, rate: float, outcomes: list[str]
) -> None:
    search = GeneticSearch(space, population_size, 10**6, rate, seed)
    proposed: list[tuple[int, ...]] = []
    while (proposal := search.ask()) is not None:
        assert proposal.uid == len(proposed)
        proposed.append(tuple(proposal.dilations[label] for label in space))
        outcome = outcomes[proposal.uid % len(outcomes)]
        if outcome == "tell":
            search.tell(proposal.uid, scored(small_fitness(proposal.dilations)))
        elif outcome == "fail":
            search.ledger.fail(proposal.uid)
    assert sorted(proposed) == sorted(product(*space.values()))


@law
@given(spaces(), st.integers(1, 70))
def test_budget_is_what_is_proposed(space: dict[str, tuple[int, ...]], budget: int) -> None:
    search = GeneticSearch(space, 4, budget)
    assert len(play(search, small_fitness, 1000)) == min(budget, size(space))
    assert search.ask() is None


def test_first_population_is_drawn_uniformly() -> None:
    genes = [
        (label, dilation)
        for seed in range(100)
        for proposal in play(GeneticSearch(SPACE, 20, 20, seed=seed), small_fitness, 20)
        for label, dilation in proposal.dilations.items()
    ]
    # One standard deviation of a share of a layer is 0.0089, over 8 layers 0.0011.
    assert shares(genes) == {gene: pytest.approx(1 / 40, abs=0.005) for gene in product(SPACE, CANDIDATES)}


@law
@given(seeds, st.integers(2, 12))
def test_first_population_ignores_fitness(seed: int, population_size: int) -> None:
    flat = play(GeneticSearch(SPACE, population_size, seed=seed), lambda _: 1.0, population_size)
    steep = play(GeneticSearch(SPACE, population_size, seed=seed), lambda genes: float(genes["s1l0"]), population_size)
    assert flat == steep
    assert [proposal.about["parents"] for proposal in flat] == [[]] * population_size


@law
@given(seeds, st.integers(2, 6), st.lists(st.integers(-1, 6), min_size=1, max_size=12))
def test_children_come_from_two_of_the_best_judged(seed: int, population_size: int, outcomes: list[int]) -> None:
    search = GeneticSearch(SPACE, population_size, 40, 0.3, seed)
    judged: dict[int, float] = {}
    for uid in range(40):
        proposal = search.ask()
        assert proposal is not None
        # The elder of two equals comes first.
        best = sorted(judged, key=lambda other: (-judged[other], other))[:population_size]
        parents = proposal.about["parents"]
        assert len(set(parents)) == (2 if uid >= population_size and len(judged) >= 2 else 0)
        assert set(parents) <= set(best)
        outcome = outcomes[uid % len(outcomes)]
        if outcome < 0:
            search.ledger.fail(uid)
        else:
            search.tell(uid, scored(float(outcome)))
            judged[uid] = float(outcome)


@law
@given(seeds)
def test_unmutated_children_have_their_parents_genes(seed: int) -> None:
    proposals = play(GeneticSearch(SPACE, 10, 40, 0.0, seed), small_fitness, 40)
    children = [proposal for proposal in proposals if proposal.about["parents"]]
    assert children
    for child in children:
        mother, father = (proposals[uid].dilations for uid in child.about["parents"])
        assert all(gene in (mother[label], father[label]) for label, gene in child.dilations.items())


def test_both_parents_are_drawn_by_fitness() -> None:
    fitness = (1.0, 2.0, 7.0)

    def parents(seed: int) -> tuple[int, ...]:
        search = GeneticSearch(SPACE, 3, 4, seed=seed)
        values = iter(fitness)
        play(search, lambda _: next(values), 3)
        [child] = play(search, lambda _: 0.0, 1)
        return tuple(child.about["parents"])

    # The mother from all three, the father from the other two; one standard deviation of a share is at most 0.013.
    expected = {
        (mother, father): pytest.approx(fitness[mother] / 10 * fitness[father] / (10 - fitness[mother]), abs=0.04)
        for mother, father in permutations(range(3), 2)
    }
    assert shares(parents(seed) for seed in range(1500)) == expected


def test_a_structure_comes_even_if_nothing_was_told() -> None:
    search = GeneticSearch(SPACE, 4, 30)
    proposals = [search.ask() for _ in range(30)]
    assert [proposal.about["parents"] for proposal in proposals if proposal is not None] == [[]] * 30


def test_generations_count_proposals() -> None:
    search = GeneticSearch(SPACE, 3, 10)
    first = play(search, small_fitness, 4)
    search.add_trial(scored(1.0, dict.fromkeys(SPACE, 16)))
    rest = play(search, small_fitness, 10)
    assert [proposal.about["generation"] for proposal in first + rest] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]


def test_proposal_says_again_what_was_handed_out() -> None:
    search = GeneticSearch(SPACE, 3, 10)
    for proposal in play(search, small_fitness, 10):
        assert search.proposal(proposal.uid) == proposal


@law
@given(seeds)
def test_same_seed_and_answers_same_proposals(seed: int) -> None:
    once, again, other = (play(GeneticSearch(SPACE, 5, 30, seed=s), small_fitness, 30) for s in (seed, seed, seed + 1))
    assert once == again
    assert once != other


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
