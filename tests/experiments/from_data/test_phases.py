from __future__ import annotations

from pathlib import Path

import pytest

from experiments.from_data.data_look import look_at
from experiments.from_data.phases import PhaseCost, amount, costs_of, side_by_side
from experiments.from_data.schedules import Schedule
from experiments.from_data.timed_steps import Speed, Speeds
from tests.conftest import write_dataset

SPEEDS = Speeds(Speed(1.0, 0.5), Speed(3.0, 1.5), Speed(10.0, 5.0), start=7.0)


def test_costs_are_those_of_the_schedules(tmp_path: Path) -> None:
    write_dataset(tmp_path / "mine", train=8, test=2, frames=(40, 41), splits=2)
    costs = costs_of(look_at("mine", tmp_path), SPEEDS, concurrency=4)
    # 6 of 8 videos are trained on: single ones, 300 steps of 50 epochs
    assert costs.genetic.schedule == Schedule(50, 1, "5e-4")
    assert costs.genetic.seconds == 7 + 50 * (6 * 40 * 1.0 + 2 * 40 * 0.5)
    assert (costs.genetic.trainings, costs.genetic.concurrency) == (24, 4)
    assert costs.differentiable.seconds == 7 + 150 * (6 * 40 * 10.0 + 2 * 40 * 5.0)
    assert (costs.differentiable.trainings, costs.differentiable.concurrency) == (3, 3)
    assert (costs.local.trainings, costs.local.concurrency) == (10, 1)
    # 2 structures x 2 splits x 3 seeds
    assert costs.final.trainings == 12
    assert costs.final.seconds == 7 + 100 * 8 * 40


def test_they_are_said_in_words() -> None:
    cost = PhaseCost(Schedule(30, 1, "1e-3"), trainings=3, concurrency=2, seconds=120)
    assert cost.minutes == 4
    assert cost.describe() == (
        "3 trainings of 30 epochs, 2 side by side: about 4 minutes on this machine, by timed steps"
    )


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(0.3, "a minute"), (4.44, "4.4 minutes"), (99, "99 minutes"), (150, "2.5 hours"), (12_000, "200 hours")],
)
def test_an_amount_is_as_exact_as_an_estimate(minutes: float, words: str) -> None:
    assert amount(minutes) == words


@pytest.mark.parametrize(("seconds", "limit"), [(1, "10m"), (120, "20m"), (3600, "10h")])
def test_a_trial_may_take_ten_times_as_long(seconds: float, limit: str) -> None:
    assert PhaseCost(Schedule(1, 1, "1"), 1, 1, seconds).limit() == limit


def test_a_gpu_has_one_trial_at_a_time() -> None:
    assert side_by_side(on_gpu=True) == 1
    assert side_by_side(on_gpu=False) >= 1
