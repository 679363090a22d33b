"""The hours of searches, by hand."""

from __future__ import annotations

import pytest

from benchmarks.search_hours import Workload

SECONDS = {"plain step": 2.0, "plain prediction": 0.5, "branched step": 4.0, "branched prediction": 0.75}


def test_hours_are_those_of_all_steps_and_evaluations() -> None:
    # 1284 training videos: 161 steps of 8; of a search 963 in 121 steps, and 321 to validate on.
    final = Workload("", "plain", 1, 10, validates=False)
    assert final.hours(SECONDS, 1284, 8) == pytest.approx(10 * 161 * 2.0 / 3600)
    search = Workload("", "plain", 1, 10, validates=True)
    assert search.hours(SECONDS, 1284, 8) == pytest.approx(10 * (121 * 2.0 + 321 * 0.5) / 3600)
    branched = Workload("", "branched", 1, 10, validates=True)
    assert branched.hours(SECONDS, 1284, 8) == pytest.approx(10 * (121 * 4.0 + 321 * 0.75) / 3600)


def test_every_trial_starts() -> None:
    seven = Workload("", "plain", 7, 3, validates=False)
    assert seven.hours(SECONDS, 80, 8, start=30.0) == pytest.approx(7 * (30 + 3 * 10 * 2.0) / 3600)
