from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nni_api.manager import NniManager
from strategies.adapter.search_tuner import LOOK_AGAIN_SECONDS
from strategies.adapter.state_file import STATE_FILE
from tests.strategies.adapter.small_search import contents, failures, tuner, uids
from tests.strategies.fake_nni import SPACE, FakeNni


def test_resume_without_state_starts_anew(nni: FakeNni) -> None:
    nni.resume(tuner())
    assert contents(nni.records("started"), "resumed", "refusal") == [(False, None)]
    assert uids(nni.trials) == [0, 1]


def test_resume_goes_on_with_new_proposals(nni: FakeNni) -> None:
    nni.start(tuner())
    nni.complete(nni.trials[0])
    nni.resume(tuner())
    # Two run again; NNI asks for two more, under ids that start at 0 again, and starts them when the others ended.
    assert uids(nni.running) == [1, 2]
    for trial in nni.running:
        nni.complete(trial)
    assert [(trial.parameter_id, trial.uid) for trial in nni.running] == [(0, 3), (1, 4)]
    for trial in nni.running:
        nni.complete(trial)
    assert contents(nni.records("finished"), "uid") == [(0,), (1,), (2,), (3,), (4,)]
    assert contents(nni.records("started"), "resumed") == [(False,), (True,)]
    assert (nni.endings, nni.errors) == (1, [])


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 3), st.sets(st.integers(0, 11), max_size=4))
def test_resume_changes_no_proposal(workers: int, interruptions: set[int]) -> None:
    def proposals(interruptions: set[int]) -> list[dict[str, Any]]:
        with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", lambda _: None)
            nni = FakeNni(Path(folder), patch, workers)
            nni.start(tuner(budget=12))
            for number in range(12):
                if number in interruptions:
                    nni.resume(tuner(budget=12, seed=number), ask=False)
                trial = nni.running[0]
                if number % 5 == 3:
                    nni.report(trial, {**trial.report(0.0), "default": None})
                    nni.end(trial)
                else:
                    nni.complete(trial, float(sum(trial.structure.values()) % 7))
            assert nni.endings == 1
            return [{**event, "time": None} for event in nni.records("proposed")]

    assert proposals(interruptions) == proposals(set())


def test_a_result_that_came_while_the_tuner_was_away_is_imported(nni: FakeNni) -> None:
    nni.start(tuner())
    nni.trials[0].result = nni.trials[0].report(8.0)
    nni.trials[0].status = "SUCCEEDED"
    nni.resume(tuner())
    assert contents(nni.records("finished"), "uid", "metrics") == [(0, {"default": 8.0})]
    assert uids(nni.trials) == [0, 1, 2]


def test_what_nni_runs_again_is_not_handed_out(nni: FakeNni) -> None:
    nni.start(tuner(budget=2))
    nni.resume(tuner(budget=2))
    for _ in range(3):
        nni.wait(LOOK_AGAIN_SECONDS)
    assert uids(nni.trials) == [0, 1]
    for trial in nni.running:
        nni.complete(trial)
    assert uids(nni.trials) == [0, 1]
    assert nni.endings == 1


def test_what_nni_lost_is_handed_out(nni: FakeNni) -> None:
    nni.workers = 3
    nni.start(tuner(budget=3))
    nni.resume(tuner(budget=3))
    lost = nni.trials[1]
    # NNI tells nothing of the end of a trial that it ran again.
    nni.end(lost, success=False)
    assert uids(nni.trials) == [0, 1, 2, 1]
    assert nni.trials[3].parameters == lost.parameters
    for trial in nni.running:
        nni.complete(trial)
    assert contents(nni.records("finished"), "uid") == [(0,), (2,), (1,)]
    assert nni.endings == 1


def test_nni_is_asked_again_what_it_runs(nni: FakeNni) -> None:
    nni.start(tuner(budget=2))
    nni.resume(tuner(budget=2))
    nni.trials[0].status = "FAILED"
    nni.wait(LOOK_AGAIN_SECONDS * 0.9)
    assert uids(nni.trials) == [0, 1]
    nni.wait(LOOK_AGAIN_SECONDS * 0.1)
    assert uids(nni.trials) == [0, 1, 0]


def test_nni_is_not_asked_more_often_than_that(nni: FakeNni, monkeypatch: pytest.MonkeyPatch) -> None:
    nni.start(tuner(budget=2))
    nni.resume(tuner(budget=2))
    for _ in range(3):
        nni.request(1)
    asked = Mock(return_value={0, 1})
    monkeypatch.setattr(NniManager, "uids_in_progress", asked)
    for _ in range(4):
        nni.wait(LOOK_AGAIN_SECONDS)
    assert asked.call_count == 4


def test_what_nni_never_started_is_handed_out(nni: FakeNni) -> None:
    nni.start(tuner(budget=4))
    nni.resume(tuner(budget=4))
    # Proposals 2 and 3 wait in NNI's queue, which it forgets.
    nni.resume(tuner(budget=4))
    for _ in range(4):
        nni.complete(nni.running[0])
    assert sorted(contents(nni.records("finished"), "uid")) == [(0,), (1,), (2,), (3,)]
    assert nni.endings == 1


def test_attempts_are_counted_over_a_resume(nni: FakeNni) -> None:
    nni.workers = 1
    nni.start(tuner(budget=1))
    nni.resume(tuner(budget=1))
    for _ in range(2):
        nni.crash(nni.running[0])
    assert failures(nni) == [(0, "the trial failed or was stopped", False)]
    assert uids(nni.trials) == [0, 0]
    assert nni.endings == 1


def test_a_finished_search_ends_again_after_a_resume(nni: FakeNni) -> None:
    nni.start(tuner(budget=2))
    for _ in range(2):
        nni.complete(nni.running[0])
    nni.resume(tuner(budget=2))
    assert nni.endings == 1
    assert len(nni.trials) == 2
    assert len(nni.records("finished")) == 2


def test_resume_over_another_space_is_refused(nni: FakeNni) -> None:
    nni.start(tuner())
    before = nni.state()
    nni.resume(tuner(), {**SPACE, "s1l0": {"_type": "choice", "_value": [1, 8]}})
    assert nni.errors == ["the saved search is over another search space: start a new experiment"]
    assert len(nni.trials) == 2
    assert nni.state() == before


def changed(value: Any, *keys: Any) -> Callable[[dict[str, Any]], str]:
    """The state with another value in one place."""

    def change(state: dict[str, Any]) -> str:
        place: Any = state
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value
        return json.dumps(state)

    return change


DAMAGES: dict[str, Callable[[dict[str, Any]], str]] = {
    "empty": lambda _: "",
    "half": lambda state: json.dumps(state)[:100],
    "a list": lambda _: "[]",
    "nothing": lambda _: "{}",
    "deep": lambda _: "[" * 100_000,
    "NaN": changed(float("nan"), "search", "fitness", 0, 1),
    "no search": changed(None, "search"),
    "a generator of another kind": changed({"bit_generator": "MT19937"}, "search", "random"),
    "a generator of text": changed("PCG64", "search", "random"),
    "genes of another network": changed([1], "search", "genes", 0),
    "genes that are no candidates": changed([1, 2, 3], "search", "genes", 0),
    "genes left out": changed([], "search", "genes"),
    "parents left out": changed([], "search", "parents"),
    "a fitness of no proposal": changed(99, "search", "fitness", 0, 0),
    "a fitness of text": changed("1.0", "search", "fitness", 0, 1),
    "failures of no proposal": changed([-1], "search", "failed"),
    "attempts of text": changed({"1": "one"}, "attempts"),
    "attempts of no number": changed({"one": 1}, "attempts"),
    "trials that are a number": changed(3, "failed_trials"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_resume_of_a_damaged_state_is_refused_in_one_line(nni: FakeNni, damage: Callable[[Any], str]) -> None:
    nni.start(tuner())
    nni.complete(nni.trials[0])
    text = damage(nni.state())
    path = nni.folder / STATE_FILE
    path.write_text(text)
    nni.resume(tuner())
    [error] = nni.errors
    assert error.startswith(f"{path}: ")
    assert error.endswith("start a new experiment")
    assert "\n" not in error
    assert path.read_text() == text
