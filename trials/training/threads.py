"""The number of threads of a training, unless the user sets it: as many as pay off."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from statistics import mean

import torch

from trials.data.dataset import Dataset

ALL_CORES = torch.get_num_threads()
"""PyTorch's own choice, which is OMP_NUM_THREADS if that is set."""

FRAMES_A_THREAD = 1600
"""Frames per training step and thread from which on a further thread pays off.

Wall time of a step on two threads, which wait passively, relative to that on one: medians of five or six interleaved
pairs on two otherwise idle cores of an AMD EPYC (family 25, model 1).

| frames of a step                   |  100 |  200 |  400 |  800 | 1600 | 3200 |
|------------------------------------|------|------|------|------|------|------|
| 2 stages of 5 layers, 64 channels  | 1.59 | 1.20 | 1.10 | 1.19 | 0.96 | 0.86 |
| the same with 11 branches          | 1.38 | 1.20 | 1.33 | 1.55 | 1.33 | 0.98 |
| 2 stages of 5 layers, 2048         | 1.41 | 1.30 | 1.16 | 0.96 | 0.79 | 0.73 |
| 4 stages of 10 layers, 64 channels | 1.65 | 1.54 | 1.12 | 1.14 | 1.02 | 0.80 |
| 4 stages of 10 layers, 2048        | 1.38 | 1.36 | 1.25 | 1.09 | 0.92 | 0.75 |

Two threads take 1.2 to 1.4 times the CPU time of one at 3200 frames, and 1.4 to 1.8 times below 800. The number of
layers does not matter: threads synchronise after every layer.
"""


def are_threads_given(arguments: argparse.Namespace) -> bool:
    """Whether the user has set the number of threads, by ``--threads`` or OMP_NUM_THREADS."""
    return arguments.threads is not None or bool(os.environ.get("OMP_NUM_THREADS"))


def paying_threads(frames: float, cores: int) -> int:
    """The number of threads that pays off for training steps of so many frames; at most one per core."""
    return min(cores, max(1, int(frames / FRAMES_A_THREAD)))


def choose_threads(arguments: argparse.Namespace, dataset: Dataset, videos: Sequence[str]) -> None:
    """Set the number of PyTorch's threads for a training on these videos, unless the user has.

    The last digits of the results depend on it. It follows from the data, the options and the number of cores alone,
    so a resumed training has the same number.

    Raises:
        BadInput: a feature file is missing or damaged.
    """
    if not are_threads_given(arguments):
        lengths = [shape[1] / dataset.sample_rate for shape in dataset.feature_shapes(videos).values()]
        frames = min(arguments.batch_size, len(videos)) * mean(lengths)
        torch.set_num_threads(paying_threads(frames, arguments.cores or ALL_CORES))
