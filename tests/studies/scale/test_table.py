from __future__ import annotations

from dataclasses import replace

import pytest

from studies.scale.breakfast import Plan
from studies.scale.costs import Costs
from studies.scale.simulate import Outcome
from studies.scale.table import Row, rows_of, text_table
from studies.scale.works import training_work

OUTCOME = Outcome(
    seconds=3600.0,
    first_start=1.0,
    trials=24,
    workers=10,
    spent={"training": 32400.0, "start": 360, "store": 0, "manager": 1800, "tuner": 0, "no proposal": 1440},
    busy={"manager": 0.5, "tuner": 0.25, "store": 0.0},
)


def test_a_row_by_hand() -> None:
    row = Row("final", 10, 1836.0, OUTCOME)
    assert row.bottleneck == "GPUs"
    assert row.describe() == {
        "plan": "final",
        "gpus": 10,
        "trial_seconds": 1836.0,
        "trials": 24,
        "hours": 1.0,
        "bottleneck": "GPUs",
        "training": 0.9,
        "start": 0.01,
        "store": 0.0,
        "manager": 0.05,
        "tuner": 0.0,
        "no proposal": 0.04,
        "manager busy": 0.5,
        "tuner busy": 0.25,
        "store busy": 0.0,
    }
    assert " ".join(text_table([row]).splitlines()[-1].split()) == (
        "final 10 24 1.00 90.0 % 1.0 % 0.0 % 5.0 % 0.0 % 4.0 % 50.0 % 25.0 % 0.0 % GPUs"
    )


def test_the_bottleneck_is_what_gpus_wait_for_most() -> None:
    spent = {**OUTCOME.spent, "training": 32000.0, "manager": 2200.0}
    assert Row("final", 10, 1836.0, replace(OUTCOME, spent=spent)).bottleneck == "manager"


def test_only_gpus_that_can_be_shared() -> None:
    plan = Plan("two", "final", lambda seconds, gpus: training_work(gpus, seconds, 1), managers=2)
    seconds = {"final": 7.0}
    rows = rows_of([plan], [1, 2, 8], Costs(), seconds)  # type: ignore[arg-type]
    assert [(row.gpus, row.outcome.trials, row.trial_seconds) for row in rows] == [(2, 2, 7.0), (8, 8, 7.0)]
    assert rows[0].outcome.spent["training"] == pytest.approx(14)
