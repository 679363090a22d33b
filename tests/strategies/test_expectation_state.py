"""The state of a local search: saved at any moment, resumed, and refused by another search."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.bad_input import BadInput
from nas_space.branching import Branching
from nas_space.networks import ms_tcn
from nas_space.structure import Structure
from strategies.expectation import ExpectationSearch
from tests.strategies.small_chains import BRANCHING, NETWORK, asked, law, learned, search


def test_a_saved_state_stays_as_it_was() -> None:
    chain = search()
    first = asked(chain)
    state = chain.state_dict()
    saved = json.dumps(state)
    assert chain.tell(first.uid, learned(first, -1))
    asked(chain)
    assert json.dumps(state) == saved


class Player:
    """Workers that ask, tell and fail as they are told, on a search that may be put on disk and resumed."""

    def __init__(self, interrupted: bool) -> None:
        self.search = search(chains=3)
        self.interrupted = interrupted
        self.seen: list[Any] = []

    def do(self, deed: str, choice: int) -> None:
        pending = sorted(self.search.ledger.open)
        if deed == "ask":
            self.seen.append(self.search.ask())
        elif pending and deed == "tell":
            proposal = self.search.proposal(pending[choice % len(pending)])
            self.seen.append(self.search.tell(proposal.uid, learned(proposal, choice)))
        elif pending and deed == "fail":
            self.search.ledger.fail(pending[choice % len(pending)])
        self.seen.append((sorted(self.search.ledger.open), self.search.finished))
        if self.interrupted:
            state = json.loads(json.dumps(self.search.state_dict()))
            self.search = search(chains=3)
            self.search.load_state_dict(state)


@law
@given(st.lists(st.tuples(st.sampled_from(["ask", "ask", "tell", "tell", "fail"]), st.integers(0, 5)), max_size=25))
def test_resumed_at_every_point_equals_uninterrupted(deeds: list[tuple[str, int]]) -> None:
    players = [Player(interrupted) for interrupted in (False, True)]
    for player in players:
        for deed in deeds:
            player.do(*deed)
    assert players[0].seen == players[1].seen
    assert players[0].search.state_dict() == players[1].search.state_dict()


@pytest.mark.parametrize(
    "other",
    [search(chains=3), search(2, branching=Branching(5, 0.5, 1, 32)), search(2, branching=Branching(3, 0.4, 1, 32))],
    ids=["chains", "branches", "rate"],
)
def test_the_state_of_another_search_is_refused(other: ExpectationSearch) -> None:
    with pytest.raises(
        BadInput, match="the saved local search has other branches, iterations or chains: start a new experiment"
    ):
        search(chains=2).load_state_dict(other.state_dict())


@pytest.mark.parametrize(
    "other",
    [
        search(iterations=4),
        ExpectationSearch([(Structure((4, 9), NETWORK), {"seed": 0})], BRANCHING, 3),
        ExpectationSearch([(Structure((4, 8), NETWORK), {"seed": 1})], BRANCHING, 3),
        ExpectationSearch([(Structure((4,), ms_tcn.describe(stages=1, layers=1)), {"seed": 0})], BRANCHING, 3),
    ],
    ids=["iterations", "start", "seed", "network"],
)
def test_the_state_of_other_chains_is_refused(other: ExpectationSearch) -> None:
    with pytest.raises(BadInput, match="start a new experiment"):
        search().load_state_dict(other.state_dict())
