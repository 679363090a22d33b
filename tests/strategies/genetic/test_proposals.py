from __future__ import annotations

from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.genetic import GeneticSearch
from tests.strategies.genetic.small_spaces import (
    CANDIDATES,
    SPACE,
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
