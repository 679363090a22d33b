from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from itertools import permutations, product
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_space.bad_input import BadInput
from strategies.genetic import GeneticSearch, crossover, draw, mutate, roulette
from strategies.proposal import Proposal

law = settings(deadline=None, max_examples=80)

CANDIDATES = (1, 2, 4, 8, 16)
SPACE = {f"s1l{layer}": CANDIDATES for layer in range(8)}
seeds = st.integers(0, 2**32)


def generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def shares(draws: Iterable[Hashable]) -> dict[Any, float]:
    """How often each value was drawn, of all."""
    counts = Counter(draws)
    return {value: count / counts.total() for value, count in counts.items()}


@st.composite
def spaces(draw_value: st.DrawFn) -> dict[str, tuple[int, ...]]:
    """One to three layers of two to four candidates each."""
    candidates = st.lists(st.integers(1, 64), min_size=2, max_size=4, unique=True).map(tuple)
    return {
        f"s1l{layer}": values for layer, values in enumerate(draw_value(st.lists(candidates, min_size=1, max_size=3)))
    }


def size(space: dict[str, tuple[int, ...]]) -> int:
    return math.prod(map(len, space.values()))


def small_fitness(dilations: dict[str, int]) -> float:
    """Some fitness with ties and zeros."""
    return float(sum(dilations.values()) % 4)


def play(search: GeneticSearch, fitness: Callable[[dict[str, int]], float], number: int) -> list[Proposal]:
    """Ask and tell in turn, as one worker would, until the search has no more."""
    proposals: list[Proposal] = []
    while len(proposals) < number and (proposal := search.ask()) is not None:
        search.tell(proposal.uid, fitness(proposal.dilations))
        proposals.append(proposal)
    return proposals


# The operators


@law
@given(spaces(), seeds)
def test_draw_takes_each_gene_from_its_own_candidates(space: dict[str, tuple[int, ...]], seed: int) -> None:
    candidates = list(space.values())
    assert draw(candidates, generator(seed)) in set(product(*candidates))


def test_draw_is_uniform() -> None:
    random = generator(0)
    drawn = shares(draw([(1, 2, 4), (8, 16)], random) for _ in range(6000))
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
    genes = draw(candidates, generator(seed))
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


# What is proposed


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
            search.tell(proposal.uid, small_fitness(proposal.dilations))
        elif outcome == "fail":
            search.fail(proposal.uid)
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
            search.fail(uid)
        else:
            search.tell(uid, float(outcome))
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
    search.inject(dict.fromkeys(SPACE, 16), 1.0)
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


# What is told


def test_fitness_counts_once() -> None:
    search = GeneticSearch(SPACE, 2)
    play(search, lambda _: 0.0, 1)
    before = search.state_dict()
    assert not search.tell(0, 5.0)
    assert search.state_dict() == before


def test_late_fitness_of_a_failed_proposal_counts() -> None:
    search = GeneticSearch(SPACE, 2, 3)
    for uid in (0, 1):
        search.ask()
        search.fail(uid)
    assert search.tell(0, 1.0)
    assert search.tell(1, 2.0)
    assert search.state_dict()["failed"] == []
    child = search.ask()
    assert child is not None
    assert set(child.about["parents"]) == {0, 1}


def test_a_reopened_proposal_can_be_judged_or_fail_again() -> None:
    search = GeneticSearch({"a": (1, 2)}, population_size=2, budget=2)
    for uid in (0, 1):
        assert search.ask() is not None
        search.fail(uid)
    assert search.finished
    search.reopen(0)
    search.reopen(1)
    assert (search.pending, search.finished) == ([0, 1], False)
    search.tell(0, 1.0)
    search.fail(1)
    assert (search.pending, search.finished, search.state_dict()["failed"]) == ([], True, [1])


def test_a_judged_proposal_cannot_be_reopened() -> None:
    search = GeneticSearch({"a": (1, 2)}, population_size=2, budget=2)
    assert search.ask() is not None
    search.tell(0, 1.0)
    search.reopen(0)
    assert search.pending == []


def test_a_judged_proposal_cannot_fail() -> None:
    search = GeneticSearch(SPACE, 2)
    play(search, lambda _: 1.0, 1)
    before = search.state_dict()
    search.fail(0)
    assert search.state_dict() == before


@pytest.mark.parametrize("fitness", [math.nan, math.inf, -math.inf])
def test_fitness_is_finite(fitness: float) -> None:
    search = GeneticSearch(SPACE, 2)
    search.ask()
    with pytest.raises(ValueError, match=f"the fitness of proposal 0 is {fitness}"):
        search.tell(0, fitness)
    assert search.pending == [0]


@pytest.mark.parametrize("uid", [-1, 1])
def test_fitness_is_of_a_proposal(uid: int) -> None:
    search = GeneticSearch(SPACE, 2)
    search.ask()
    with pytest.raises(ValueError, match=f"there is no proposal {uid}"):
        search.tell(uid, 1.0)


def test_pending_is_what_is_neither_judged_nor_failed() -> None:
    search = GeneticSearch(SPACE, 2)
    for _ in range(4):
        search.ask()
    search.tell(2, 1.0)
    search.fail(0)
    assert search.pending == [1, 3]
    assert [search.is_open(uid) for uid in range(5)] == [False, True, False, True, False]


def test_finished_when_all_is_proposed_and_settled() -> None:
    search = GeneticSearch(SPACE, 2, 3)
    finished = []
    for step in (
        search.ask,
        search.ask,
        lambda: search.tell(0, 1.0),
        search.ask,
        lambda: search.fail(2),
        lambda: search.tell(1, 1.0),
    ):
        finished.append(search.finished)
        step()
    assert finished == [False] * 6
    assert search.finished


# What others chose


def test_starts_are_proposed_first_and_then_what_any_search_would_draw() -> None:
    starts = [dict.fromkeys(SPACE, 16), dict.fromkeys(SPACE, 1), dict.fromkeys(SPACE, 16)]
    begun = play(GeneticSearch(SPACE, 5, 5, starts=starts), lambda _: 1.0, 5)
    assert [proposal.dilations for proposal in begun[:2]] == starts[:2]
    # A start that was proposed already gives its place to a random structure.
    usual = play(GeneticSearch(SPACE, 5, 3), lambda _: 1.0, 3)
    assert [proposal.dilations for proposal in begun[2:]] == [proposal.dilations for proposal in usual]


def test_starts_may_be_parents() -> None:
    search = GeneticSearch(SPACE, 2, 3, starts=[dict.fromkeys(SPACE, 16)])
    play(search, lambda dilations: float(dilations == dict.fromkeys(SPACE, 16)), 2)
    child = search.ask()
    assert child is not None
    assert child.about["parents"][0] == 0


def test_starts_beyond_the_first_population_are_refused() -> None:
    starts = [dict.fromkeys(SPACE, 2**exponent) for exponent in range(3)]
    with pytest.raises(BadInput, match="3 starts are more than the first population holds"):
        GeneticSearch(SPACE, 2, 10, starts=starts)
    with pytest.raises(BadInput, match="3 starts are more"):
        GeneticSearch(SPACE, 5, 2, starts=starts)
    assert len(play(GeneticSearch(SPACE, 3, 3, starts=starts), lambda _: 1.0, 3)) == 3


def test_a_start_of_another_network_is_refused() -> None:
    for start in ({"s1l0": 1}, {**dict.fromkeys(SPACE, 1), "s9l9": 1}):
        with pytest.raises(BadInput, match="a start has other layers"):
            GeneticSearch(SPACE, starts=[start])


def test_a_start_outside_the_space_is_refused() -> None:
    with pytest.raises(BadInput, match="a start has the dilation 3 at s1l2, which is no candidate there"):
        GeneticSearch(SPACE, starts=[{**dict.fromkeys(SPACE, 1), "s1l2": 3}])


def test_injected_structure_is_a_parent() -> None:
    search = GeneticSearch(SPACE, 2, 10)
    play(search, lambda _: 0.0, 2)
    search.inject(dict.fromkeys(SPACE, 16), 1.0)
    child = search.ask()
    assert child is not None
    # It alone has a fitness above zero.
    assert child.about["parents"][0] == 2
    assert search.proposal(2).dilations == dict.fromkeys(SPACE, 16)


def test_injected_numbers_are_made_whole() -> None:
    search = GeneticSearch(SPACE)
    search.inject(json.loads(json.dumps(dict.fromkeys(SPACE, 16.0))), 1.0)
    assert [str(dilation) for dilation in search.proposal(0).dilations.values()] == ["16"] * len(SPACE)


@law
@given(spaces(), seeds, st.integers(1, 40), st.integers(0, 12))
def test_injected_structures_use_no_budget(space: dict[str, tuple[int, ...]], seed: int, budget: int, at: int) -> None:
    search = GeneticSearch(space, 3, budget, seed=seed)
    proposals = play(search, small_fitness, at)
    foreign = {label: values[-1] for label, values in space.items()}
    new = foreign not in [proposal.dilations for proposal in proposals]
    search.inject(foreign, 2.0)
    proposals += play(search, small_fitness, 1000)
    assert len(proposals) == min(budget, size(space) - new)
    assert (foreign in [proposal.dilations for proposal in proposals]) != new
    assert search.finished


@pytest.mark.parametrize(
    ("dilations", "fitness"),
    [
        pytest.param({**dict.fromkeys(SPACE, 1), "s1l3": 3}, 1.0, id="no candidate"),
        pytest.param({**dict.fromkeys(SPACE, 1), "s2l0": 1}, 1.0, id="unknown layer"),
        pytest.param({"s1l0": 1}, 1.0, id="missing layer"),
        pytest.param(dict.fromkeys(SPACE, 16), math.nan, id="no fitness"),
        pytest.param(None, 1.0, id="seen"),
    ],
)
def test_unfit_injections_are_ignored(dilations: dict[str, int] | None, fitness: float) -> None:
    search = GeneticSearch(SPACE, 2)
    seen = play(search, small_fitness, 1)[0].dilations
    before = search.state_dict()
    search.inject(seen if dilations is None else dilations, fitness)
    assert search.state_dict() == before


# Resume

actions = st.lists(
    st.tuples(st.sampled_from(["ask", "ask", "tell", "tell", "fail", "inject"]), st.integers(0, 40), st.integers(0, 5)),
    max_size=60,
)


def act(search: GeneticSearch, action: tuple[str, int, int]) -> object:
    """What the search answers to one action."""
    kind, which, fitness = action
    if kind == "ask":
        return search.ask()
    if kind == "inject":
        values = zip(search.labels, search.candidates, strict=True)
        search.inject({label: choice[which % len(choice)] for label, choice in values}, float(fitness))
    elif known := len(search.state_dict()["genes"]):
        if kind == "tell":
            return search.tell(which % known, float(fitness))
        search.fail(which % known)
    return None


@settings(deadline=None, max_examples=200)
@given(spaces(), seeds, actions, st.integers(0, 60))
def test_resumed_search_goes_on_as_if_never_interrupted(
    space: dict[str, tuple[int, ...]], seed: int, script: list[tuple[str, int, int]], interruption: int
) -> None:
    whole, parts = (GeneticSearch(space, 3, 20, seed=seed) for _ in range(2))
    for number, action in enumerate([*script, *[("ask", 0, 0)] * 21]):
        if number == interruption:
            state = json.loads(json.dumps(parts.state_dict()))
            parts = GeneticSearch(space, 3, 20, seed=seed + 1)
            parts.load_state_dict(state)
        assert act(parts, action) == act(whole, action)
        assert (parts.pending, parts.finished) == (whole.pending, whole.finished)
    assert parts.state_dict() == whole.state_dict()


def test_resume_may_raise_the_budget() -> None:
    short, long = GeneticSearch(SPACE, 4, 10), GeneticSearch(SPACE, 4, 30)
    first = play(short, small_fitness, 100)
    resumed = GeneticSearch(SPACE, 4, 30)
    resumed.load_state_dict(short.state_dict())
    assert first + play(resumed, small_fitness, 100) == play(long, small_fitness, 100)


@pytest.mark.parametrize("space", [{"s1l0": (1, 2)}, {**SPACE, "s1l0": (1, 2)}, dict(reversed(SPACE.items()))])
def test_state_of_another_space_is_refused(space: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(BadInput, match="the saved search is over another search space: start a new experiment"):
        GeneticSearch(space).load_state_dict(GeneticSearch(SPACE).state_dict())


# Arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"population_size": 0}, "population_size must be a whole number of at least 1, not 0"),
        ({"population_size": 1}, "population_size must be at least 2, as a child has two parents, not 1"),
        ({"population_size": 50.0}, "population_size must be a whole number of at least 1, not 50.0"),
        ({"budget": 0}, "budget must be a whole number of at least 1, not 0"),
        ({"budget": "100"}, "budget must be a whole number of at least 1, not '100'"),
        ({"budget": True}, "budget must be a whole number of at least 1, not True"),
        ({"mutation_rate": -0.1}, "mutation_rate must lie between 0 and 1, not -0.1"),
        ({"mutation_rate": 20}, "mutation_rate must lie between 0 and 1, not 20"),
        ({"mutation_rate": math.nan}, "mutation_rate must lie between 0 and 1, not nan"),
        ({"mutation_rate": "0.2"}, "mutation_rate must lie between 0 and 1, not '0.2'"),
        ({"mutation_rate": True}, "mutation_rate must lie between 0 and 1, not True"),
        ({"seed": -1}, "seed must be a whole number of at least 0, not -1"),
        ({"seed": None}, "seed must be a whole number of at least 0, not None"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput) as refusal:
        GeneticSearch(SPACE, **arguments)
    assert str(refusal.value) == message


# Whether it searches: 8 layers x 5 candidates, the fitness is the number of right genes

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
