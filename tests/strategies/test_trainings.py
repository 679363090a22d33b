"""A fixed list of trainings: each is handed out once, and its outcome is noted once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nni_api.trial_report import TrialReport
from strategies.proposals import Proposal
from strategies.trainings import Trainings


def trainings(count: int = 3) -> Trainings:
    return Trainings([Proposal(uid, {}, {"seed": uid}, {"seed": uid}) for uid in range(count)])


def handed_out(of: Trainings) -> list[int]:
    uids = []
    while (proposal := of.ask()) is not None:
        uids.append(proposal.uid)
    return uids


def test_each_is_handed_out_once() -> None:
    phase = trainings()
    assert not phase.finished
    assert handed_out(phase) == sorted(phase.ledger.open) == [0, 1, 2]
    assert phase.proposal(1) == Proposal(1, {}, {"seed": 1}, {"seed": 1})
    assert not phase.finished


def test_nothing_is_known_of_what_was_not_handed_out() -> None:
    phase = trainings()
    phase.ask()
    for uid in (1, -1, "0", True):
        with pytest.raises(ValueError, match="no proposal"):
            phase.proposal(uid)  # type: ignore[arg-type]


def test_an_outcome_counts_once_and_a_success_after_a_failure_does() -> None:
    phase = trainings()
    handed_out(phase)
    assert phase.tell(0, TrialReport())
    assert not phase.tell(0, TrialReport())
    phase.ledger.fail(0)
    phase.ledger.fail(1)
    assert (sorted(phase.ledger.open), 0 in phase.ledger.open, 1 in phase.ledger.open) == ([2], False, False)
    assert phase.tell(1, TrialReport())
    phase.ledger.fail(2)
    assert phase.finished
    phase.ledger.reopen(2)
    assert (sorted(phase.ledger.open), phase.finished, phase.pop_events()) == ([2], False, [])


@pytest.mark.parametrize("events", ["", "t0", "t0 f1", "t0 f1 t2"])
def test_a_saved_list_goes_on(events: str) -> None:
    phase = trainings()
    handed_out(phase)
    for event in events.split():
        if event[0] == "t":
            phase.tell(int(event[1:]), TrialReport())
        else:
            phase.ledger.fail(int(event[1:]))
    again = trainings()
    again.load_state_dict(json.loads(json.dumps(phase.state_dict())))
    assert (sorted(again.ledger.open), again.finished) == (sorted(phase.ledger.open), phase.finished)
    assert again.state_dict() == phase.state_dict()


@pytest.mark.parametrize("damage", [{"asked": 4}, {"asked": True}, {"asked": "2"}, {"judged": [2]}, {"failed": ["a"]}])
def test_a_damaged_state_is_an_error(damage: dict[str, Any]) -> None:
    phase = trainings()
    phase.ask()
    with pytest.raises(ValueError, match=r"asked|no proposal"):
        trainings().load_state_dict({**phase.state_dict(), **damage})
