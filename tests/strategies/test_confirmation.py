"""The confirmation of a search: which structures are trained again, how often, and what decides."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.bad_input import BadInput
from strategies.confirmation import ConfirmedSearch, confirmed
from strategies.differentiable import DifferentiableSearch
from strategies.genetic import GeneticSearch
from strategies.proposals import Proposal
from strategies.search import Search
from tests.strategies.small_spaces import law, scored, seeds, small_fitness

SMALL = {"s1l0": (1, 2, 4), "s1l1": (1, 2, 4)}
HAND = {"s1l0": 1, "s1l1": 2}
FAR = {"s1l0": 7, "s1l1": 9}


def genetic(count: int = 2, seeds: int = 2, **arguments: Any) -> ConfirmedSearch:
    """Confirms four structures of a genetic search, the first of them ``HAND``."""
    return ConfirmedSearch(GeneticSearch(SMALL, 4, 4, starts=[HAND]), count, seeds, **arguments)


def play(search: Search, fitness: Callable[[Proposal], float]) -> list[Proposal]:
    """Ask and tell in turn to the end."""
    proposals = []
    while (proposal := search.ask()) is not None:
        assert not search.finished
        assert search.proposal(proposal.uid) == proposal
        assert search.tell(proposal.uid, scored(fitness(proposal)))
        proposals.append(proposal)
    assert search.finished
    return proposals


def by_uid(*scores: float) -> Callable[[Proposal], float]:
    """The scores of the first proposals; the others score 0."""
    return lambda proposal: scores[proposal.uid] if proposal.uid < len(scores) else 0.0


def test_the_best_are_trained_again_with_each_seed_in_turn() -> None:
    first, second, third, fourth, *again = play(genetic(), by_uid(10, 30, 20, 25))
    assert first.dilations == HAND
    assert (third.extra, "generation" in third.about) == ({}, True)
    assert [proposal.uid for proposal in again] == [4, 5, 6, 7]
    assert [proposal.dilations for proposal in again] == [second.dilations, fourth.dilations] * 2
    assert [proposal.about for proposal in again] == [{"confirmation": number} for number in (1, 1, 2, 2)]
    assert [proposal.extra for proposal in again] == [{"_confirmation": number} for number in (1, 1, 2, 2)]


def test_the_starts_are_trained_again_whatever_their_score_and_once() -> None:
    proposals = play(genetic(count=2, seeds=1, starts=[HAND, FAR, FAR]), by_uid(10, 30, 20, 5))
    best = [proposals[1].dilations, proposals[2].dilations]
    assert [proposal.dilations for proposal in proposals[4:]] == [*best, HAND, FAR]
    proposals = play(genetic(count=2, seeds=1, starts=[HAND]), by_uid(10, 3, 20, 5))
    assert [proposal.dilations for proposal in proposals[4:]] == [proposals[2].dilations, HAND]


def test_the_search_itself_proposes_what_it_would_without_a_confirmation() -> None:
    def fitness(proposal: Proposal) -> float:
        return small_fitness(proposal.dilations)

    plain = GeneticSearch(SMALL, 2, 7, seed=3)
    expected = play(plain, fitness)
    found = play(ConfirmedSearch(GeneticSearch(SMALL, 2, 7, seed=3), 1, 2), fitness)
    assert found[:7] == expected
    assert len(found) == 9


def test_a_structure_that_two_trainings_found_is_one_candidate_by_its_best_score() -> None:
    search = ConfirmedSearch(DifferentiableSearch([3, 5, 8, 9], SMALL), 2, 1)
    near, far, middle = ({"s1l0": each, "s1l1": each} for each in (1, 4, 2))
    for structure, score in ((near, 10.0), (far, 30.0), (middle, 20.0), (near, 40.0)):
        proposal = search.ask()
        assert proposal is not None
        assert proposal.dilations == {}
        search.tell(proposal.uid, scored(score, structure))
    again = [search.ask(), search.ask()]
    assert [proposal and proposal.dilations for proposal in again] == [near, far]
    assert search.ask() is None


def test_of_equals_the_earlier_is_a_candidate() -> None:
    first, *_, again = play(genetic(count=1, seeds=1), lambda _: 5.0)
    assert again.dilations == first.dilations


def test_the_confirmation_waits_until_all_of_the_search_is_known() -> None:
    search = genetic()
    uids = [proposal.uid for _ in range(4) if (proposal := search.ask()) is not None]
    for uid in uids[:3]:
        search.tell(uid, scored(1.0))
    assert (search.ask(), search.finished) == (None, False)
    search.ledger.fail(uids[3])
    assert search.ask() is not None


def test_what_fails_is_no_candidate_and_a_failed_confirmation_ends_too() -> None:
    search = genetic(count=9, seeds=1)
    for uid in range(4):
        search.ask()
        if uid % 2:
            search.ledger.fail(uid)
        else:
            search.tell(uid, scored(1.0))
    assert [search.ask() is not None for _ in range(3)] == [True, True, False]
    search.ledger.fail(4)
    search.tell(5, scored(1.0))
    assert (search.finished, search.ledger.failed) == (True, {1, 3, 4})
    search.ledger.reopen(4)
    assert (search.finished, sorted(search.ledger.open)) == (False, [4])
    assert search.tell(4, scored(1.0))
    assert not search.tell(4, scored(2.0))
    assert search.finished


def test_a_late_result_of_the_search_counts_but_makes_no_candidate() -> None:
    search = genetic(count=1, seeds=2)
    for uid in range(4):
        search.ask()
        if uid:
            search.tell(uid, scored(10.0 - uid))
    search.ledger.fail(0)
    before = search.ask()
    assert search.tell(0, scored(99.0))
    assert not search.tell(0, scored(99.0))
    after = search.ask()
    assert before is not None
    assert after is not None
    assert before.dilations == after.dilations == search.proposal(1).dilations


def test_without_candidates_there_is_nothing_to_confirm() -> None:
    search = genetic()
    for uid in range(4):
        search.ask()
        search.ledger.fail(uid)
    assert not search.finished
    assert search.ask() is None
    assert search.finished


def test_a_trial_added_by_hand_is_a_candidate_where_the_search_can_learn_from_it() -> None:
    search = genetic(count=1, seeds=1)
    search.add_trial(scored(99.0, FAR))
    search.add_trial(scored(98.0, {"s1l0": 4, "s1l1": 4}))
    assert search.ledger.evaluated == [0]
    *_, again = play(search, lambda _: 1.0)
    assert again.dilations == {"s1l0": 4, "s1l1": 4}
    before = search.state_dict()
    search.add_trial(scored(100.0, {"s1l0": 1, "s1l1": 1}))
    assert search.state_dict() == before


@law
@given(seeds, st.integers(1, 5), st.integers(1, 3), st.sets(st.integers(0, 20)), st.sets(st.integers(0, 20)))
def test_a_saved_confirmation_goes_on(seed: int, count: int, times: int, saved: set[int], failed: set[int]) -> None:
    def new() -> ConfirmedSearch:
        return ConfirmedSearch(GeneticSearch(SMALL, 3, 6, seed=seed), count, times, [HAND])

    def play(saves: set[int]) -> tuple[list[Proposal], Any]:
        search, proposals = new(), []
        while (proposal := search.ask()) is not None:
            if proposal.uid in saves:
                state = json.loads(json.dumps(search.state_dict()))
                search = new()
                search.load_state_dict(state)
            if proposal.uid in failed:
                search.ledger.fail(proposal.uid)
            else:
                assert search.tell(proposal.uid, scored(small_fitness(proposal.dilations)))
            proposals.append(search.proposal(proposal.uid))
        assert search.finished
        return proposals, search.state_dict()

    assert play(saved) == play(set())


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (genetic(count=3), "another confirmation, or none"),
        (genetic(seeds=3), "another confirmation, or none"),
        (genetic(starts=[HAND]), "another confirmation, or none"),
        (ConfirmedSearch(GeneticSearch({"s1l0": (1, 2)}, 2, 2), 2, 2), "over another search space"),
    ],
)
def test_a_state_of_another_search_is_refused(other: ConfirmedSearch, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        other.load_state_dict(genetic().state_dict())
    with pytest.raises(BadInput, match="another confirmation, or none"):
        other.load_state_dict(GeneticSearch(SMALL, 4, 4, starts=[HAND]).state_dict())


@pytest.mark.parametrize(
    "damage",
    [
        {"best": [[float("nan"), HAND]]},
        {"best": [[1.0, {"s1l0": -1}]]},
        {"best": [[1.0, None]]},
        {"best": [1.0]},
        {"candidates": [{"s1l0": "1"}]},
        {"candidates": []},
        {"asked": 3},
        {"asked": 9},
        {"asked": "8"},
        {"judged": [8]},
        {"failed": [-1]},
        {"search": {}},
    ],
    ids=str,
)
def test_a_damaged_state_is_an_error(damage: dict[str, Any]) -> None:
    search = genetic()
    play(search, lambda _: 1.0)
    with pytest.raises((ValueError, TypeError, AttributeError, KeyError)):
        genetic().load_state_dict({**search.state_dict(), **damage})


@pytest.mark.parametrize(
    ("count", "times", "message"),
    [
        (0, None, "confirm must be a whole number of at least 1, not 0"),
        (True, None, "confirm must be a whole number of at least 1, not True"),
        ("3", 2, "confirm must be a whole number of at least 1, not '3'"),
        (2, 0, "confirm_seeds must be a whole number of at least 1, not 0"),
        (None, 3, "confirm_seeds needs confirm, the number of structures that are trained again"),
    ],
)
def test_numbers_that_confirm_nothing_are_refused(count: Any, times: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        confirmed(GeneticSearch(SMALL, 2, 2), count, times)


def test_without_a_number_nothing_is_confirmed() -> None:
    search = GeneticSearch(SMALL, 2, 2)
    assert confirmed(search, None, None) is search
    assert len(play(confirmed(search, 1, None), lambda _: 1.0)) == 2 + 3
