from __future__ import annotations

from typing import Any

import pytest

from nni_api.trial_report import TrialReport
from tests.strategies.adapter.search_tuner.small_search import contents, tuner
from tests.strategies.fake_nni import LABELS, FakeNni, Trial


def added_report(trial: Trial, fitness: float) -> dict[str, Any]:
    return TrialReport(None, trial.name, trial.structure, {"default": fitness}).to_nni()


def test_an_added_trial_is_recorded_and_may_be_a_parent(nni: FakeNni) -> None:
    nni.start(tuner(budget=4))
    added = nni.add(s1l0=4, s1l1=4, s1l2=4)
    nni.report(added, added_report(added, 9.0))
    nni.end(added)
    assert nni.records("finished") == []
    nni.wait()
    names = ("uid", "trial", "structure", "metrics")
    assert contents(nni.records("finished"), *names) == [(None, added.name, added.parameters, {"default": 9.0})]
    while nni.running:
        nni.complete(nni.running[0], 0.0)
    # It is number 3 of the search, and nothing else has a fitness above zero.
    assert contents(nni.records("proposed"), "uid") == [(0,), (1,), (2,), (4,)]
    assert nni.records("proposed")[-1]["parents"][0] == 3


def test_an_added_trial_is_noted_once(nni: FakeNni) -> None:
    nni.start(tuner(budget=4))
    for dilation in (1, 2):
        added = nni.add(s1l0=dilation, s1l1=1, s1l2=1)
        nni.report(added, added_report(added, 9.0))
        nni.end(added)
        nni.wait()
    assert contents(nni.records("finished"), "uid", "trial") == [(None, "trial2"), (None, "trial3")]


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (None, "the reported result is no finite number: None"),
        (71.5, "it does not say what it trained"),
        ({"default": 71.5}, "it does not say what it trained"),
        (TrialReport(None, "trial2", None, failure="no such layer").to_nni(), "no such layer"),
    ],
)
def test_a_failed_added_trial_is_recorded(nni: FakeNni, result: Any, reason: str) -> None:
    nni.start(tuner())
    added = nni.add(s1l0=1, s1l1=1, s1l2=1)
    nni.report(added, result)
    nni.end(added)
    nni.wait()
    assert contents(nni.records("failed"), "uid", "trial", "reason", "again") == [(None, "trial2", reason, False)]


@pytest.mark.parametrize("structure", [{"s1l0": 3, "s1l1": 1, "s1l2": 1}, {"s1l0": 1}])
def test_an_added_trial_outside_the_space_is_recorded_only(nni: FakeNni, structure: dict[str, int]) -> None:
    nni.start(tuner())
    added = nni.add(**structure)
    nni.report(added, added_report(added, 9.0))
    nni.end(added)
    nni.wait()
    assert contents(nni.records("finished"), "uid", "structure") == [(None, structure)]
    assert nni.state()["search"]["fitness"] == []


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(TrialReport(None, "trial2", dict.fromkeys(LABELS, 1), {"default": 9.0}).to_nni(), id="finished"),
        pytest.param(TrialReport(None, "trial2", None, failure="no such layer").to_nni(), id="failed"),
        pytest.param(71.5, id="plain number"),
    ],
)
def test_an_added_trial_is_noted_once_over_resumes(nni: FakeNni, result: Any) -> None:
    nni.start(tuner())
    added = nni.add(**dict.fromkeys(LABELS, 1))
    nni.report(added, result)
    nni.end(added)
    nni.wait()
    for _ in range(2):
        nni.resume(tuner())
    assert contents(nni.records("finished", "failed"), "uid", "trial") == [(None, "trial2")]
