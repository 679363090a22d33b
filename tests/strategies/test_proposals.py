"""The ledger: every proposal is open, evaluated or failed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.proposals import Ledger

actions = st.lists(st.tuples(st.sampled_from(["add", "evaluate", "fail", "reopen"]), st.integers(0, 5)), max_size=40)


@given(actions)
def test_every_proposal_is_open_evaluated_or_failed(script: list[tuple[str, int]]) -> None:
    ledger, life = Ledger(), dict[int, str]()
    for action, uid in script:
        if action == "add":
            life[ledger.add()] = "open"
        elif uid not in life:
            continue
        elif action == "evaluate":
            assert ledger.evaluate(uid) == (life[uid] != "evaluated")
            life[uid] = "evaluated"
        elif action == "fail":
            ledger.fail(uid)
            life[uid] = "failed" if life[uid] == "open" else life[uid]
        else:
            ledger.reopen(uid)
            life[uid] = "open" if life[uid] == "failed" else life[uid]
    assert list(life) == list(range(ledger.size))
    assert sorted(ledger.open) == [uid for uid, now in life.items() if now == "open"]
    assert ledger.evaluated == [uid for uid, now in life.items() if now == "evaluated"]
    assert sorted(ledger.failed) == [uid for uid, now in life.items() if now == "failed"]
    assert Ledger.restore(ledger.size, ledger.evaluated, ledger.failed) == ledger


@pytest.mark.parametrize("uid", [1, -1, True, None, "0"])
def test_no_such_proposal(uid: Any) -> None:
    ledger = Ledger()
    ledger.add()
    for act in (
        ledger.check,
        ledger.evaluate,
        lambda uid: Ledger.restore(1, [uid], []),
        lambda uid: Ledger.restore(1, [], [uid]),
    ):
        with pytest.raises(ValueError, match=f"there is no proposal {uid!r}"):
            act(uid)
