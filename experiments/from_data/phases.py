"""Schedules, concurrency and cost of the experiments of a new data set."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.from_data import schedules
from experiments.from_data.data_look import DataLook
from experiments.from_data.schedules import Schedule

if TYPE_CHECKING:
    from experiments.from_data.timed_steps import Speed, Speeds

BUDGET = 24
"""Structures of a genetic search, as in the committed files of small data sets."""
ITERATIONS = 10
SEEDS = (0, 1, 2)
MOST_SIDE_BY_SIDE = 8


@dataclass(frozen=True)
class PhaseCost:
    """Schedule and cost on this machine of one experiment file."""

    schedule: Schedule
    trainings: int
    concurrency: int
    seconds: float
    """Of one training, from timed steps."""

    @property
    def minutes(self) -> float:
        """Of the whole experiment."""
        return math.ceil(self.trainings / self.concurrency) * self.seconds / 60

    def describe(self) -> str:
        """In words."""
        side = f"{self.concurrency} side by side" if self.concurrency > 1 else "one after another"
        epochs = f"{self.trainings} trainings of {self.schedule.epochs} epochs, {side}"
        return f"{epochs}: about {amount(self.minutes)} on this machine, by timed steps"

    def limit(self) -> str:
        """maxTrialDuration: ten times the time of a training, at least ten minutes."""
        minutes = max(10, 10 * self.seconds / 60)
        return f"{math.ceil(minutes)}m" if minutes < 120 else f"{math.ceil(minutes / 60)}h"


@dataclass(frozen=True)
class Costs:
    """Of all experiment files of a data set."""

    genetic: PhaseCost
    differentiable: PhaseCost
    local: PhaseCost
    final: PhaseCost


def side_by_side(on_gpu: bool) -> int:
    """Number of parallel trials: one on a GPU, else one per core."""
    return 1 if on_gpu else min(len(os.sched_getaffinity(0)), MOST_SIDE_BY_SIDE)


def costs_of(look: DataLook, speeds: Speeds, concurrency: int) -> Costs:
    """Schedules and costs for a data set, from its first split."""
    train, validation, final = (
        len(videos) * look.mean_frames for videos in (look.search_train, look.search_validation, look.final_train)
    )

    def cost(
        schedule: Schedule, trainings: int, speed: Speed, at_once: int, trained: float, predicted: float
    ) -> PhaseCost:
        seconds = speeds.start + schedule.epochs * speed.epoch(trained, predicted)
        return PhaseCost(schedule, trainings, min(at_once, trainings), seconds)

    number = len(look.search_train)
    finals = 2 * len(look.splits) * len(SEEDS)
    return Costs(
        cost(schedules.genetic(number), BUDGET, speeds.plain, concurrency, train, validation),
        cost(schedules.differentiable(number), len(SEEDS), speeds.choosing, concurrency, train, validation),
        cost(schedules.local(number), ITERATIONS, speeds.branched, 1, train, validation),  # of one chain
        cost(schedules.final(len(look.final_train)), finals, speeds.plain, concurrency, final, 0),
    )


def amount(minutes: float) -> str:
    """A time in words, with the precision of an estimate."""
    if minutes < 1:
        return "a minute"
    if minutes < 99.5:
        return f"{minutes:.2g} minutes"
    return f"{minutes / 60:.2g} hours" if minutes < 100 * 60 else f"{minutes / 60:.0f} hours"
