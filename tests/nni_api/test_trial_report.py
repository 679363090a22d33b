from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nni_api.trial_report import TrialReport

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
METRICS = st.dictionaries(st.sampled_from(["acc", "edit", "f1@10", "f1@25", "f1@50"]), NUMBERS)
STRUCTURES = st.dictionaries(st.sampled_from(["s1l0", "s1l1", "s2l0"]), st.integers(1, 1024))
REPORTS = st.builds(
    TrialReport,
    uid=st.none() | st.integers(0),
    trial=st.text(min_size=1),
    structure=st.none() | STRUCTURES,
    metrics=st.builds(lambda fitness, metrics: {"default": fitness, **metrics}, NUMBERS, METRICS),
    epochs=st.lists(METRICS, max_size=3),
    seconds=st.none() | NUMBERS,
)
FAILURES = st.builds(
    TrialReport,
    uid=st.none() | st.integers(0),
    trial=st.text(min_size=1),
    structure=st.none() | STRUCTURES,
    seconds=st.none() | NUMBERS,
    failure=st.text(min_size=1),
)


@given(REPORTS | FAILURES, st.booleans())
def test_a_report_survives_nni_whatever_nni_pairs_it_with(report: TrialReport, found: bool) -> None:
    received = json.loads(json.dumps(report.to_nni(found)))
    assert TrialReport.from_nni(received, {"s1l0": 4096, "_uid": -1}, "another trial") == report


def test_nni_sees_flat_metrics() -> None:
    report = TrialReport(3, "Ab1Cd", {"s1l0": 8}, {"default": 50.5, "acc": 61.0}, [{"acc": 40.0}], seconds=2.5)
    message = report.to_nni()
    trained = message.pop("_trained")
    assert message == {"default": 50.5, "acc": 61.0, "_uid": 3, "_sec": 2.5}
    assert list(message)[-1] == "_sec"  # no line of NNI's page reaches the axis before the object's
    assert trained == {
        "trial": "Ab1Cd",
        "structure": {"s1l0": 8},
        "epochs": [{"acc": 40.0}],
        "probabilities": None,
        "failure": None,
    }


def test_nni_sees_the_dilations_that_a_trial_found() -> None:
    report = TrialReport(3, "Ab1Cd", {"s1l0": 8, "s1l1": 1}, {"default": 50.5})
    names = ["s1l0", "s1l1", "default", "_uid", "_sec", "_trained"]
    assert list(report.to_nni(found=True)) == names
    assert list(report.to_nni()) == names[2:]
    assert list(TrialReport(3, "Ab1Cd", None, failure="out of memory").to_nni(found=True)) == names[3:]


@pytest.mark.parametrize("number", [42, 42.5, -1.0, 0])
def test_a_plain_number_is_believed_to_be_of_the_parameters(number: float) -> None:
    expected = TrialReport(uid=7, trial="Ab1Cd", structure=None, metrics={"default": number})
    assert TrialReport.from_nni(number, {"s1l0": 4, "_uid": 7}, "Ab1Cd") == expected
    assert TrialReport.from_nni({"default": number}, {"s1l0": 4, "_uid": 7}, "Ab1Cd") == expected


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, "42", None, True, [42]])
def test_no_finite_number_is_a_failure(number: Any) -> None:
    for value in (number, {"default": number, "acc": 50.0}):
        report = TrialReport.from_nni(value, {"_uid": 7}, "Ab1Cd")
        why = f"the reported result is no finite number: {number!r}"
        assert report == TrialReport(uid=7, trial="Ab1Cd", structure=None, failure=why)


@pytest.mark.parametrize("value", [{}, {"acc": 50.0}])
def test_metrics_without_a_default_are_a_failure(value: dict[str, float]) -> None:
    report = TrialReport.from_nni(value, {"_uid": 7}, None)
    assert (report.uid, report.metrics) == (7, {})
    assert report.failure == "the reported result is no finite number: None"


def test_a_failure_has_no_metrics() -> None:
    failed = TrialReport(7, "Ab1Cd", {"s1l0": 8}, failure="out of memory")
    value = {"default": 99.0, **failed.to_nni()}
    assert TrialReport.from_nni(value, {"_uid": 7}, "Ab1Cd") == failed


def test_a_trial_added_by_hand_stays_so_though_its_parameters_carry_a_uid() -> None:
    value = {"default": 50.0, "_uid": None}
    assert TrialReport.from_nni(value, {"s1l0": 4, "_uid": 7}, "Ab1Cd").uid is None


@pytest.mark.parametrize("parameters", [None, {}, {"s1l0": 4}, "s1l0=4"])
def test_parameters_without_a_number_belong_to_no_proposal(parameters: Any) -> None:
    assert TrialReport.from_nni(50.0, parameters, "Ab1Cd").uid is None


def test_nni_names_a_trial_that_does_not_know_its_name() -> None:
    report = TrialReport(uid=7, trial=None, structure=None, metrics={"default": 50.0})
    assert TrialReport.from_nni(report.to_nni(), {}, "Ab1Cd").trial == "Ab1Cd"


def test_a_failure_of_all_trials_comes_through() -> None:
    for ends in (True, False):
        told = TrialReport(1, "a", None, failure="why", ends_search=ends).to_nni()
        assert ("ends_search" in told["_trained"]) == ends
        assert TrialReport.from_nni(told, {}, "a").ends_search == ends
    assert not TrialReport.from_nni({"default": 1.0, "_trained": {"ends_search": True}}, {}, "a").ends_search
    assert not TrialReport.from_nni({"_trained": {"failure": "x", "ends_search": "yes"}}, {}, "a").ends_search
