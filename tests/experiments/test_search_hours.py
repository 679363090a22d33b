"""How long searches may run under --max-hours, and when one that ended early goes on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from experiments.search_hours import continues, hours, share_of
from experiments.steps import Phase, PipelineStep


def step(name: str, phase: Phase) -> PipelineStep:
    result = None if phase == "final" else Path("run") / name.partition("_")[2] / f"{phase}.json"
    return PipelineStep(name, phase, "it", {}, result, 1)


STEPS = [
    step("global_split1", "global"),
    step("local_split1", "local"),
    step("global_split2", "global"),
    step("local_split2", "local"),
    step("final", "final"),
]


def known(**of_steps: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each.name: of_steps.get(each.name, {}) for each in STEPS}


def test_each_search_has_its_share_of_what_is_left() -> None:
    assert share_of(STEPS[0], STEPS, known(), 8) == 2
    done = known(global_split1={"done": True, "ran": 0.5}, local_split1={"done": True, "ran": 0.5})
    assert share_of(STEPS[2], STEPS, done, 8) == 3.5
    # Of an earlier version, which noted no hours.
    assert share_of(STEPS[2], STEPS, known(global_split1={"done": True}, local_split1={"done": True}), 8) == 4


def test_a_search_that_goes_on_has_what_the_others_left() -> None:
    done = {name: {"done": True, "ran": 1.0} for name in ("global_split1", "local_split1", "local_split2")}
    again = {"done": True, "ran": 1.0, "ended_early": 4}
    assert share_of(STEPS[2], STEPS, known(**done, global_split2=again), 8) == 5


def test_nothing_is_left_for_searches_after_one_that_took_it_all() -> None:
    assert share_of(STEPS[1], STEPS, known(global_split1={"done": True, "ran": 9.0}), 8) == 0


def test_final_trainings_and_runs_without_a_limit_take_their_time() -> None:
    assert share_of(STEPS[-1], STEPS, known(), 8) is None
    assert share_of(STEPS[0], STEPS, known(), None) is None


@pytest.mark.parametrize(
    ("ended_early", "max_hours", "begun", "expected"),
    [
        (2.0, 3.0, (), True),
        (2.0, None, (), True),
        (2.0, 2.0, (), False),
        (None, 3.0, (), False),
        (2.0, 3.0, ("local_split1",), False),
        (2.0, 3.0, ("final",), False),
        (2.0, 3.0, ("global_split2", "local_split2"), True),
    ],
)
def test_a_longer_search_goes_on_unless_something_rests_on_it(
    ended_early: float | None, max_hours: float | None, begun: tuple[str, ...], expected: bool
) -> None:
    notes = known(global_split1={"done": True, "ended_early": ended_early}, **{name: {"mark": "x"} for name in begun})
    assert continues(STEPS[0], STEPS, notes, max_hours) is expected


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "two", ""])
def test_what_is_no_time_is_refused(text: str) -> None:
    assert hours("0.5") == 0.5
    with pytest.raises(argparse.ArgumentTypeError, match="a number above 0"):
        hours(text)
