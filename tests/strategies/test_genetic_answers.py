from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.bad_input import BadInput
from strategies.genetic import GeneticSearch
from tests.strategies.small_spaces import SPACE, law, play, scored, seeds, size, small_fitness, spaces

# What is told


def test_fitness_counts_once() -> None:
    search = GeneticSearch(SPACE, 2)
    play(search, lambda _: 0.0, 1)
    before = search.state_dict()
    assert not search.tell(0, scored(5.0))
    assert search.state_dict() == before


def test_late_fitness_of_a_failed_proposal_counts() -> None:
    search = GeneticSearch(SPACE, 2, 3)
    for uid in (0, 1):
        search.ask()
        search.ledger.fail(uid)
    assert search.tell(0, scored(1.0))
    assert search.tell(1, scored(2.0))
    assert search.state_dict()["failed"] == []
    child = search.ask()
    assert child is not None
    assert set(child.about["parents"]) == {0, 1}


def test_a_reopened_proposal_can_be_judged_or_fail_again() -> None:
    search = GeneticSearch({"a": (1, 2)}, population_size=2, budget=2)
    for uid in (0, 1):
        assert search.ask() is not None
        search.ledger.fail(uid)
    assert search.finished
    search.ledger.reopen(0)
    search.ledger.reopen(1)
    assert (sorted(search.ledger.open), search.finished) == ([0, 1], False)
    search.tell(0, scored(1.0))
    search.ledger.fail(1)
    assert (sorted(search.ledger.open), search.finished, search.state_dict()["failed"]) == ([], True, [1])


def test_a_judged_proposal_cannot_be_reopened() -> None:
    search = GeneticSearch({"a": (1, 2)}, population_size=2, budget=2)
    assert search.ask() is not None
    search.tell(0, scored(1.0))
    search.ledger.reopen(0)
    assert sorted(search.ledger.open) == []


def test_a_judged_proposal_cannot_fail() -> None:
    search = GeneticSearch(SPACE, 2)
    play(search, lambda _: 1.0, 1)
    before = search.state_dict()
    search.ledger.fail(0)
    assert search.state_dict() == before


@pytest.mark.parametrize("fitness", [math.nan, math.inf, -math.inf])
def test_fitness_is_finite(fitness: float) -> None:
    search = GeneticSearch(SPACE, 2)
    search.ask()
    with pytest.raises(ValueError, match=f"the fitness of proposal 0 is {fitness}"):
        search.tell(0, scored(fitness))
    assert sorted(search.ledger.open) == [0]


@pytest.mark.parametrize("uid", [-1, 1])
def test_fitness_is_of_a_proposal(uid: int) -> None:
    search = GeneticSearch(SPACE, 2)
    search.ask()
    with pytest.raises(ValueError, match=f"there is no proposal {uid}"):
        search.tell(uid, scored(1.0))


def test_pending_is_what_is_neither_judged_nor_failed() -> None:
    search = GeneticSearch(SPACE, 2)
    for _ in range(4):
        search.ask()
    search.tell(2, scored(1.0))
    search.ledger.fail(0)
    assert sorted(search.ledger.open) == [1, 3]
    assert [uid in search.ledger.open for uid in range(5)] == [False, True, False, True, False]


def test_finished_when_all_is_proposed_and_settled() -> None:
    search = GeneticSearch(SPACE, 2, 3)
    finished = []
    for step in (
        search.ask,
        search.ask,
        lambda: search.tell(0, scored(1.0)),
        search.ask,
        lambda: search.ledger.fail(2),
        lambda: search.tell(1, scored(1.0)),
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
    search.add_trial(scored(1.0, dict.fromkeys(SPACE, 16)))
    child = search.ask()
    assert child is not None
    # It alone has a fitness above zero.
    assert child.about["parents"][0] == 2
    assert search.proposal(2).dilations == dict.fromkeys(SPACE, 16)


def test_injected_numbers_are_made_whole() -> None:
    search = GeneticSearch(SPACE)
    search.add_trial(scored(1.0, json.loads(json.dumps(dict.fromkeys(SPACE, 16.0)))))
    assert [str(dilation) for dilation in search.proposal(0).dilations.values()] == ["16"] * len(SPACE)


@law
@given(spaces(), seeds, st.integers(1, 40), st.integers(0, 12))
def test_injected_structures_use_no_budget(space: dict[str, tuple[int, ...]], seed: int, budget: int, at: int) -> None:
    search = GeneticSearch(space, 3, budget, seed=seed)
    proposals = play(search, small_fitness, at)
    foreign = {label: values[-1] for label, values in space.items()}
    new = foreign not in [proposal.dilations for proposal in proposals]
    search.add_trial(scored(2.0, foreign))
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
    search.add_trial(scored(fitness, seen if dilations is None else dilations))
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
        search.add_trial(scored(float(fitness), {label: choice[which % len(choice)] for label, choice in values}))
    elif known := len(search.state_dict()["genes"]):
        if kind == "tell":
            return search.tell(which % known, scored(float(fitness)))
        search.ledger.fail(which % known)
    return None


@settings(deadline=None, max_examples=80)
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
        assert (sorted(parts.ledger.open), parts.finished) == (sorted(whole.ledger.open), whole.finished)
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
        ({"mutation_rate": math.inf}, "mutation_rate must lie between 0 and 1, not inf"),
        ({"budget": math.inf}, "budget must be a whole number of at least 1, not inf"),
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
