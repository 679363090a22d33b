from __future__ import annotations

from strategies.adapter.assignments import Assignments


def test_a_proposal_is_tried_once_more_than_it_may_be_repeated() -> None:
    assignments = Assignments()
    assignments.begin(0, uid=7)
    assert assignments.try_again(7, retries=1)
    assert (assignments.running, list(assignments.repeat)) == ({}, [7])
    assignments.begin(1, uid=assignments.repeat.popleft())
    assert not assignments.try_again(7, retries=1)
    assert (assignments.running, list(assignments.repeat)) == ({}, [])


def test_a_judged_proposal_is_at_work_nowhere() -> None:
    assignments = Assignments(awaited={7})
    assignments.begin(0, uid=7)
    assignments.begin(1, uid=8)
    assignments.repeat.append(7)
    assignments.settle(7)
    assert assignments == Assignments(running={1: 8}, attempts={8: 1})
