from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.bad_input import BadInput
from nas_space.structure import Structure
from nni_api.trial_report import TrialReport
from strategies.expectation import ExpectationSearch
from strategies.proposals import Proposal
from tests.strategies.small_chains import BRANCHING, NETWORK, asked, law, learned, place, search

# One chain


def test_a_proposal_says_all_that_its_trial_needs() -> None:
    assert search(2).ask() == Proposal(
        uid=0,
        dilations={"s1l0": 4, "s1l1": 8},
        about={"chain": 0, "iteration": 0, "seed": 0, "branching": BRANCHING.to_text()},
        extra={"chain": 0, "iteration": 0, "seed": 0, "_branching": BRANCHING.to_text(), "_earlier": {}},
    )


def test_a_chain_by_hand() -> None:
    chain = search(iterations=3)
    # Expand 4 -> 2 4 6 and 8 -> 4 8 12; estimate 1 + 1 + 1.5 = 3.5, towards 4; 1.2 + 2.4 + 4.8 = 8.4.
    assert chain.tell(asked(chain).uid, TrialReport(probabilities={"s1l0": [0.5, 0.25, 0.25], "s1l1": [0.3, 0.3, 0.4]}))
    assert chain.chains[0].dilations == [4, 8]
    # The same again; estimate 6 and 4.
    assert chain.tell(asked(chain).uid, TrialReport(probabilities={"s1l0": [0, 0, 1], "s1l1": [1, 0, 0]}))
    assert chain.chains[0].dilations == [6, 4]
    # Expand 6 -> 3 6 9 and 4 -> 2 4 6; estimate 0.9 + 1.8 + 3.6 = 6.3; 0.4 + 0.8 + 3.6 = 4.8.
    assert chain.tell(asked(chain).uid, TrialReport(probabilities={"s1l0": [0.3, 0.3, 0.4], "s1l1": [0.2, 0.2, 0.6]}))
    assert chain.chains[0].dilations == [6, 5]
    assert (chain.ended(0), chain.finished, chain.ask()) == ("done", True, None)


def test_iterations_of_a_chain_follow_one_another() -> None:
    chain = search(iterations=3)
    for iteration in range(3):
        proposal = asked(chain)
        assert (place(proposal), chain.ask(), sorted(chain.ledger.open)) == ((0, iteration), None, [proposal.uid])
        assert proposal.uid in chain.ledger.open
        assert not chain.finished
        chain.tell(proposal.uid, learned(proposal, -1))
        assert proposal.uid not in chain.ledger.open
    assert (chain.ask(), sorted(chain.ledger.open), chain.finished) == (None, [], True)


# Chains side by side


def test_chains_go_side_by_side() -> None:
    chains = search(chains=3)
    proposals = [asked(chains) for _ in range(3)]
    assert [place(proposal) for proposal in proposals] == [(0, 0), (1, 0), (2, 0)]
    assert [proposal.about["seed"] for proposal in proposals] == [0, 1, 2]
    assert (chains.ask(), sorted(chains.ledger.open)) == (None, [0, 1, 2])


def test_the_chain_that_has_come_least_far_goes_first() -> None:
    chains = search(chains=3)
    first, second, third = (asked(chains) for _ in range(3))
    chains.tell(first.uid, learned(first, 0))
    ahead = asked(chains)
    chains.tell(ahead.uid, learned(ahead, 0))
    chains.tell(third.uid, learned(third, 0))
    # Chain 0 has done two iterations, chain 2 one, and chain 1 is at work.
    assert [place(asked(chains)) for _ in range(2)] == [(2, 1), (0, 2)]
    chains.tell(second.uid, learned(second, 0))
    assert place(asked(chains)) == (1, 1)


def test_a_repeated_trial_is_told_the_structures_of_its_own_chain_before_it() -> None:
    chains = search(chains=2)
    first, _ = asked(chains), asked(chains)
    chains.tell(first.uid, learned(first, -1))
    second = asked(chains)
    chains.tell(second.uid, learned(second, 0))
    third = asked(chains)
    # 4 -> 2 4 6 and 8 -> 4 8 12, upwards; then 6 -> 3 6 9 and 12 -> 6 12 18, downwards.
    told = [{}, {"0": "4 8"}, {"0": "4 8", "1": "6 12"}]
    assert (list(third.dilations.values()), third.extra["_earlier"]) == ([3, 6], told[2])
    resumed = search(chains=2)
    resumed.load_state_dict(json.loads(json.dumps(chains.state_dict())))
    for searching in (chains, resumed):
        again = [searching.proposal(proposal.uid) for proposal in (first, second, third)]
        assert [proposal.extra["_earlier"] for proposal in again] == told


def test_chains_do_not_touch_one_another() -> None:
    chains = search(chains=2)
    first = asked(chains)
    chains.tell(first.uid, learned(first, -1))
    assert [chain.dilations for chain in chains.chains] == [[6, 12], [4, 8]]


@law
@given(st.integers(1, 4), st.integers(1, 4), st.data())
def test_every_chain_goes_through_all_its_iterations_once(chains: int, iterations: int, data: st.DataObject) -> None:
    searching, working, done = search(chains, iterations), [], []
    while not searching.finished:
        if (proposal := searching.ask()) is not None:
            working.append(proposal)
        if working and (proposal is None or data.draw(st.booleans())):
            finished = working.pop(data.draw(st.integers(0, len(working) - 1)))
            assert searching.tell(finished.uid, learned(finished, data.draw(st.integers(0, 2))))
            done.append(finished)
        assert len({place(proposal)[0] for proposal in working}) == len(working)
    assert sorted(map(place, done)) == [(chain, step) for chain in range(chains) for step in range(iterations)]
    assert sorted(proposal.uid for proposal in done) == list(range(chains * iterations))
    assert all(searching.proposal(proposal.uid) == proposal for proposal in done)
    texts = {place(proposal): " ".join(map(str, proposal.dilations.values())) for proposal in done}
    for proposal in done:
        chain, iteration = place(proposal)
        earlier = {str(before): texts[chain, before] for before in range(iteration)}
        assert proposal.extra["_earlier"] == earlier


# Failures


def test_a_failed_chain_ends_with_what_it_has_and_says_so() -> None:
    chains = search(chains=2)
    first = asked(chains)
    chains.tell(first.uid, learned(first, -1))
    other, failing = asked(chains), asked(chains)
    assert (place(other), place(failing)) == ((1, 0), (0, 1))
    chains.ledger.fail(failing.uid)
    assert (chains.chains[0].dilations, chains.ended(0)) == ([6, 12], "iteration 1 failed")
    assert (chains.ask(), sorted(chains.ledger.open), chains.finished) == (None, [other.uid], False)
    chains.ledger.fail(other.uid)
    assert (chains.chains[1].dilations, chains.ended(1), chains.finished) == ([4, 8], "iteration 0 failed", True)


def test_a_late_result_counts_after_a_failure() -> None:
    chain = search()
    proposal = asked(chain)
    chain.ledger.fail(proposal.uid)
    assert chain.tell(proposal.uid, learned(proposal, -1))
    assert (chain.chains[0].dilations, chain.ended(0), chain.finished) == ([6, 12], None, False)
    assert place(asked(chain)) == (0, 1)


def test_a_reopened_iteration_goes_on_with_its_chain() -> None:
    chain = search()
    proposal = asked(chain)
    chain.ledger.fail(proposal.uid)
    chain.ledger.reopen(proposal.uid)
    assert (sorted(chain.ledger.open), chain.finished, chain.pop_events()) == ([proposal.uid], False, [])
    chain.tell(proposal.uid, learned(proposal, -1))
    assert place(asked(chain)) == (0, 1)


def test_an_iteration_that_is_done_cannot_be_reopened() -> None:
    chain = search()
    proposal = asked(chain)
    chain.tell(proposal.uid, learned(proposal, -1))
    chain.ledger.reopen(proposal.uid)
    assert sorted(chain.ledger.open) == []


def test_a_second_result_is_ignored() -> None:
    chain = search()
    proposal = asked(chain)
    assert chain.tell(proposal.uid, learned(proposal, -1))
    following = asked(chain)
    before = chain.state_dict()
    assert not chain.tell(proposal.uid, learned(proposal, 0))
    chain.ledger.fail(proposal.uid)
    assert chain.state_dict() == before
    assert sorted(chain.ledger.open) == [following.uid]


@pytest.mark.parametrize("uid", [1, -1, True, None, "0"])
def test_no_such_proposal(uid: Any) -> None:
    chain = search()
    asked(chain)
    with pytest.raises(ValueError, match=f"there is no proposal {uid!r}"):
        chain.proposal(uid)


def test_each_end_is_news_once() -> None:
    chains = search(chains=2, iterations=1)
    done, failing = asked(chains), asked(chains)
    assert chains.pop_events() == []
    chains.tell(done.uid, learned(done, -1))
    news = {"event": "chain_ended", "chain": 0, "why": "done", "iterations": 1, "structure": {"s1l0": 6, "s1l1": 12}}
    assert (chains.pop_events(), chains.pop_events()) == ([news], [])
    chains.ledger.fail(failing.uid)
    told = {"chain": 1, "why": "iteration 0 failed", "iterations": 0, "structure": {"s1l0": 4, "s1l1": 8}}
    assert (chains.pop_events(), chains.pop_events()) == ([{"event": "chain_ended", **told}], [])


def test_an_end_that_was_taken_back_is_no_news() -> None:
    chain = search()
    proposal = asked(chain)
    chain.ledger.fail(proposal.uid)
    chain.tell(proposal.uid, learned(proposal, -1))
    assert chain.pop_events() == []


# Refusals


@pytest.mark.parametrize(
    ("starts", "iterations", "message"),
    [
        ([(4, 8)], 0, "iterations must be a whole number of at least 1, not 0"),
        ([(4, 8)], 2.0, "iterations must be a whole number of at least 1, not 2.0"),
        ([], 1, "a local search needs at least one start structure"),
        ([(4, 8), (4, 33)], 1, "layer s1l1: dilation 33 lies outside the bounds 1 to 32"),
    ],
    ids=str,
)
def test_bad_searches_are_refused_in_one_line(starts: list[tuple[int, int]], iterations: Any, message: str) -> None:
    with pytest.raises(BadInput) as refusal:
        ExpectationSearch([(Structure(start, NETWORK), {}) for start in starts], BRANCHING, iterations)
    assert str(refusal.value) == message
