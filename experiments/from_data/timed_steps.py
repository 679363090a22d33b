"""The speed of a network on this machine, from a few timed training steps on a data set's own videos."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from torch import nn

from nas_space.branching import Branching
from nas_space.network import Network
from nas_space.networks import build
from nas_space.searchable import choose, expand
from nas_space.structure import Structure
from trials.data.batches import Batch
from trials.data.dataset import Dataset
from trials.training.device import find_device
from trials.training.scoring import predict
from trials.training.settings import TrainingSettings
from trials.training.threads import paying_threads
from trials.training.training import Training

ROUNDS = 3
LONG_SECONDS = 5.0
"""Slower steps are timed once."""


@dataclass(frozen=True)
class Speed:
    """Seconds per frame of a network in one of its forms."""

    step: float
    """Of a training step."""
    prediction: float

    def epoch(self, trained: float, predicted: float) -> float:
        """Seconds of an epoch that trains on ``trained`` frames and predicts ``predicted``."""
        return trained * self.step + predicted * self.prediction


@dataclass(frozen=True)
class Speeds:
    """Speeds of a network in its three forms, and of the start of a trial."""

    plain: Speed
    """One dilation a layer: the genetic search and the final training."""
    branched: Speed
    """Three dilations a layer: the local search."""
    choosing: Speed
    """All candidates in each layer: the differentiable search."""
    start: float
    """Seconds until a trial's process has imported its modules."""


def time_steps(
    network: Network,
    dataset: Dataset,
    videos: Sequence[str],
    batch_size: int,
    candidates: Sequence[int],
    concurrency: int,
) -> Speeds:
    """Train a network in each of its forms for a few steps on one batch of median-length videos.

    Args:
        videos: from which the batch is chosen.
        concurrency: number of trials that share the cores of this machine.

    Raises:
        BadInput: the data is faulty.
    """
    loaded = sorted((len(dataset.labels(name)), name) for name in videos)
    # No dilation above the candidates, as at the start of a search.
    structure = Structure(tuple(min(layer.hand, max(candidates)) for layer in network.layers), network)
    of_layers = dict.fromkeys(network.paths, tuple(candidates))
    first = max(0, (len(loaded) - batch_size) // 2)
    batch = [dataset.load(name) for _, name in loaded[first : first + batch_size]]
    frames = sum(len(video.labels) for video in batch)
    threads, device = torch.get_num_threads(), find_device("auto")
    torch.set_num_threads(paying_threads(frames, max(1, threads // concurrency)))

    def speed(change: Callable[[nn.Module], object]) -> Speed:
        module = build(structure, batch[0].features.shape[1], len(dataset.classes))
        change(module)
        training = Training(module, TrainingSettings(batch_size=batch_size), device)
        module.train()
        step = _seconds(lambda: float(training.step(Batch.of(batch, device))))
        one = batch[0].features
        return Speed(step / frames, _seconds(lambda: predict(training.network, one, device)) / len(one))

    try:
        return Speeds(
            speed(lambda _: None),
            speed(lambda module: expand(module, structure, Branching())),
            speed(lambda module: choose(module, network, of_layers)),
            _start_seconds(),
        )
    finally:
        torch.set_num_threads(threads)


def _seconds(function: Callable[[], object]) -> float:
    """Median seconds of a call, without the first, which includes setup. A result on the CPU waits for a GPU."""
    measured: list[float] = []
    for _ in range(1 + ROUNDS):
        start = time.monotonic()
        function()
        measured.append(time.monotonic() - start)
        if measured[-1] > LONG_SECONDS:
            break
    return median(measured[1:] or measured)


def _start_seconds() -> float:
    start = time.monotonic()
    root = Path(__file__).parent.parent.parent
    environment = {**os.environ, "PYTHONPATH": str(root)}
    subprocess.run([sys.executable, "-c", "import trials.search_trial"], cwd=root, env=environment, check=True)
    return time.monotonic() - start
