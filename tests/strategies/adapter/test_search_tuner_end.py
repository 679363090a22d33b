"""How a search ends: its experiment, what an exception ends, and what is refused before any trial."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any
from unittest.mock import Mock

import pytest

from nni_api.manager import NniManager
from strategies.adapter.outcomes import Outcomes
from strategies.genetic import GeneticSearch
from tests.strategies.adapter.small_search import contents, kinds, tuner
from tests.strategies.fake_nni import SPACE, FakeNni


def test_the_experiment_ends_once_all_is_judged(nni: FakeNni) -> None:
    nni.start(tuner(budget=3))
    for _ in range(3):
        assert nni.endings == 0
        nni.complete(nni.running[0])
    nni.wait()
    nni.request(1)
    assert nni.endings == 1
    assert kinds(nni).count("done") == 1
    assert len(nni.trials) == 3


def test_the_end_is_told_again_until_nni_hears_it(nni: FakeNni, monkeypatch: pytest.MonkeyPatch) -> None:
    finish = Mock(side_effect=[ConnectionRefusedError, TimeoutError, 1])
    monkeypatch.setattr(NniManager, "finish", finish)
    monkeypatch.setattr("strategies.adapter.experiment_end.time", Mock(spec=time))
    nni.start(tuner(budget=1))
    nni.complete(nni.trials[0])
    assert finish.call_count == 3
    assert nni.errors == []


def test_a_deaf_manager_is_an_error(nni: FakeNni, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NniManager, "finish", Mock(side_effect=ConnectionRefusedError))
    monkeypatch.setattr("strategies.adapter.experiment_end.time", Mock(spec=time))
    nni.start(tuner(budget=1))
    before = set(threading.enumerate())
    nni.complete(nni.trials[0])
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=30)
    assert nni.errors == ["the search is finished, but NNI's manager does not answer"]


def test_an_exception_in_the_search_ends_the_experiment(nni: FakeNni, monkeypatch: pytest.MonkeyPatch) -> None:
    nni.start(tuner())
    monkeypatch.setattr(nni.tuner.search, "ask", Mock(side_effect=ZeroDivisionError("a bug")))
    with pytest.raises(ZeroDivisionError):
        nni.complete(nni.trials[0])
    [error] = nni.errors
    assert error.startswith("the tuner failed: ZeroDivisionError('a bug')\nTraceback")
    assert contents(nni.records("error"), "message") == [(error,)]


def test_an_exception_after_the_grace_ends_the_experiment(nni: FakeNni, monkeypatch: pytest.MonkeyPatch) -> None:
    nni.start(tuner())
    nni.end(nni.trials[0], success=False)
    monkeypatch.setattr(Outcomes, "note_failure", Mock(side_effect=ZeroDivisionError("a bug")))
    with pytest.raises(ZeroDivisionError):
        nni.wait()
    assert len(nni.errors) == 1


def test_an_exception_before_the_first_request_waits_for_it(nni: FakeNni, monkeypatch: pytest.MonkeyPatch) -> None:
    nni.start(tuner())
    nni.complete(nni.trials[0])
    monkeypatch.setattr(GeneticSearch, "tell", Mock(side_effect=ZeroDivisionError("a bug")))
    nni.resume(tuner())
    assert nni.errors[0].startswith("the tuner failed: ZeroDivisionError('a bug')")


# Refusals


@pytest.mark.parametrize(
    ("arguments", "space", "message"),
    [
        ({}, [1, 2], "the search space must be an object of choices by layer label (see experiments/spaces)"),
        (
            {},
            {"s9l9": SPACE["s1l0"]},
            "the search space names 's9l9', which is no layer of ms-tcn:stages=1,layers=3",
        ),
        ({}, {**SPACE, "s1l0": {"_type": "uniform", "_value": [0, 1]}}, "the search space of layer 's1l0' must be "),
        ({"mutation_rate": 20}, SPACE, "mutation_rate must lie between 0 and 1, not 20"),
        ({"check_command": "python3 -c 'import sys; sys.exit(\"no data\")'"}, SPACE, "no data"),
        ({"check_command": "no-such-command"}, SPACE, "the check command cannot be run: "),
    ],
)
def test_a_refusal_ends_the_experiment_before_any_trial(
    nni: FakeNni, arguments: dict[str, Any], space: Any, message: str
) -> None:
    nni.start(tuner(**arguments), space)
    [error] = nni.errors
    assert error.startswith(message)
    assert "\n" not in error
    assert nni.trials == []
    assert contents(nni.records("started"), "resumed", "refusal") == [(False, error)]
    assert contents(nni.records("error"), "message") == [(error,)]


def test_a_passed_check_is_not_in_the_way(nni: FakeNni) -> None:
    nni.start(tuner(check_command="python3 -c 'print(1)'"))
    assert contents(nni.records("started"), "resumed", "refusal") == [(False, None)]
    assert len(nni.trials) == 2


def test_the_space_of_a_running_search_stays(nni: FakeNni, caplog: pytest.LogCaptureFixture) -> None:
    nni.start(tuner())
    before = nni.state()
    with caplog.at_level(logging.WARNING):
        nni.tuner.update_search_space({"s1l0": SPACE["s1l0"]})
    assert "the search space of a running search cannot change: the new one is ignored" in caplog.text
    nni.complete(nni.trials[0])
    assert nni.state()["search"]["labels"] == before["search"]["labels"]
    assert nni.errors == []
