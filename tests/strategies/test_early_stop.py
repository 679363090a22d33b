from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_space.bad_input import BadInput
from strategies.early_stop import NEEDED, EarlyStop


def curve(*values: float) -> list[dict[str, float]]:
    return [{"default": value, "acc": 0.0} for value in values]


def test_the_median_of_the_best_by_that_epoch_by_hand() -> None:
    early = EarlyStop(2)
    early.note(0, curve(10, 40, 99))
    early.note(1, curve(30, 20, 0))
    early.note(2, curve(5, 15))
    assert early.hints() == {}
    early.note(3, curve(1, 21, 50))
    # The best of the first two epochs: 40, 30, 15, 21.
    assert early.hints() == {"_stop_epoch": 2, "_stop_below": 25.5}


def test_a_trial_that_stopped_counts_and_a_shorter_one_does_not() -> None:
    early = EarlyStop(2)
    for trial, values in enumerate(((1, 2), (3, 4), (5, 6), (7,))):
        early.note(trial, curve(*values))
    assert early.hints() == {}
    early.note(4, curve(8, 9))
    assert early.hints()["_stop_below"] == 5


@given(st.lists(st.floats(0, 100), min_size=NEEDED, max_size=20))
def test_noting_trials_again_changes_nothing(values: list[float]) -> None:
    once, twice = EarlyStop(1), EarlyStop(1)
    for trial, value in enumerate(values):
        once.note(trial, curve(value))
    for trial, value in [*enumerate(values), *reversed(list(enumerate(values)))]:
        twice.note(trial, curve(value))
    assert once.hints() == twice.hints()


def test_without_an_epoch_none_stops() -> None:
    early = EarlyStop(None)
    for trial in range(10):
        early.note(trial, curve(trial))
    assert early.hints() == {}


@pytest.mark.parametrize("epoch", [0, -1, 1.5, True, "3"])
def test_an_epoch_that_cannot_be_is_refused(epoch: Any) -> None:
    with pytest.raises(BadInput, match="stop_epoch must be"):
        EarlyStop(epoch)
