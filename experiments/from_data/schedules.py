"""Batch sizes and epochs for a data set of any size, from the number of optimizer steps that a training needs.

The epochs and steps below are those of the committed files: ``50salads_mid_svm_*.yml`` (30 videos to search on, 40 to
train on) have exactly as many steps, with batches of 1 and 2; ``breakfast_*.yml`` (970 and 1,300 videos) have more
with batches of 8, and the paper's epochs. So a batch is the largest, up to 8 videos, that leaves enough steps in the
usual epochs; where even single videos leave too few, there are more epochs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

BATCH_SIZES = (8, 4, 2, 1)


@dataclass(frozen=True)
class Schedule:
    """The schedule of one training of a phase."""

    epochs: int
    batch_size: int
    learning_rate: str
    """As written in the files."""
    decay_epochs: str = ""
    """Epochs after which the learning rate falls to a tenth; empty: never."""

    def steps(self, videos: int) -> int:
        """Optimizer steps of one training on so many videos."""
        return self.epochs * math.ceil(videos / self.batch_size)


def with_steps(videos: int, epochs: int, steps: int, learning_rate: str = "5e-4") -> Schedule:
    """The largest batch with at least ``steps`` optimizer steps in ``epochs`` epochs.

    If there is none: single videos, and as many epochs as it takes.
    """
    size = next((each for each in BATCH_SIZES if epochs * math.ceil(videos / each) >= steps), 1)
    return Schedule(max(epochs, math.ceil(steps / math.ceil(videos / size))), size, learning_rate)


def differentiable(videos: int) -> Schedule:
    """Of a training of the differentiable search: 30 epochs and 900 steps."""
    schedule = with_steps(videos, 30, 900)
    # Few steps need a larger learning rate, as in the files of the small data sets.
    return schedule if schedule.batch_size == 8 else with_steps(videos, 30, 900, "1e-3")


def genetic(videos: int) -> Schedule:
    """Of a structure in the genetic search: the paper's 5 epochs and 300 steps."""
    return with_steps(videos, 5, 300)


def local(videos: int) -> Schedule:
    """Of an iteration of the local search: the paper's 3 epochs and 90 steps."""
    return with_steps(videos, 3, 90)


def final(videos: int) -> Schedule:
    """Of a final training: 40 epochs and 800 steps; the paper's schedule where batches of 8 reach them."""
    schedule = with_steps(videos, 40, 800)
    return Schedule(65, 8, "5e-4", "50") if schedule.batch_size == 8 else schedule
