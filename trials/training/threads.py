"""How many threads a training takes, where the user does not say: as many as pay."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from statistics import mean

import torch

from trials.data.dataset import Dataset
from trials.data.feature_files import open_features

ALL_CORES = torch.get_num_threads()
"""PyTorch's own choice, which is OMP_NUM_THREADS where that is set."""

FRAMES_A_THREAD = 1600
"""Frames of a step that each thread must have.

Time by the clock of a step on two threads, which wait passively, as a share of that on one: medians of five or six
interleaved pairs on two cores of an AMD EPYC (family 25, model 1), in moments in which nobody else used them.

| frames of a step                   |  100 |  200 |  400 |  800 | 1600 | 3200 |
|------------------------------------|------|------|------|------|------|------|
| 2 stages of 5 layers, 64 channels  | 1.59 | 1.20 | 1.10 | 1.19 | 0.96 | 0.86 |
| the same with 11 branches          | 1.38 | 1.20 | 1.33 | 1.55 | 1.33 | 0.98 |
| 2 stages of 5 layers, 2048         | 1.41 | 1.30 | 1.16 | 0.96 | 0.79 | 0.73 |
| 4 stages of 10 layers, 64 channels | 1.65 | 1.54 | 1.12 | 1.14 | 1.02 | 0.80 |
| 4 stages of 10 layers, 2048        | 1.38 | 1.36 | 1.25 | 1.09 | 0.92 | 0.75 |

Two threads take 1.2 to 1.4 times the processor time of one at 3200 frames, and 1.4 to 1.8 times below 800. The number
of layers does not count: threads meet after every one, however many there are.
"""


def are_threads_given(arguments: argparse.Namespace) -> bool:
    """Whether the user has said how many threads to take, by ``--threads`` or OMP_NUM_THREADS."""
    return arguments.threads is not None or bool(os.environ.get("OMP_NUM_THREADS"))


def paying_threads(frames: float, cores: int) -> int:
    """How many threads pay for training steps on so many frames, whatever the network; at most one a core."""
    return min(cores, max(1, int(frames / FRAMES_A_THREAD)))


def choose_threads(arguments: argparse.Namespace, dataset: Dataset, videos: Sequence[str]) -> None:
    """Set the number of PyTorch's threads for a training on these videos, unless the user has.

    The last digits of what is trained depend on it: it follows from the data, the options and the number of cores
    alone, so that a training that goes on has the same number.

    Raises:
        BadInput: a feature file is missing or damaged.
    """
    if not are_threads_given(arguments):
        lengths = [open_features(dataset.feature_path(video)).shape[1] / dataset.sample_rate for video in videos]
        frames = min(arguments.batch_size, len(videos)) * mean(lengths)
        torch.set_num_threads(paying_threads(frames, arguments.cores or ALL_CORES))
