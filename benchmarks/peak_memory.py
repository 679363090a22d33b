"""Peak memory of a training process, on one video of 6000 frames and 2048 channels.

Each side is a process of its own that reads a feature file and trains some steps, ours through the cache. Much of it is
PyTorch itself; the rest is also shown separately.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch

from benchmarks.cache_memory import generate, peak
from benchmarks.interleaved import CPU, Bar, Finding, benchmark_parser, print_findings, ratios
from benchmarks.reference import HAND, ReferenceNetwork, ReferenceTraining, plain_branches
from common.bad_input import run_command
from nas_space.networks import build
from trials.data.dataset import Dataset
from trials.training.settings import TrainingSettings
from trials.training.training import Training

FRAMES = 6000
FEATURE_DIM = 2048
STEPS = 5


def ours(folder: Path) -> Callable[[], object]:
    """Our steps on the first video of a data set."""
    dataset = Dataset(folder, cache_folder=folder.parent / "cache")
    (video,), _ = dataset.split(1)
    network = build(HAND, dataset.feature_dim(video), len(dataset.classes))
    training = Training(network, TrainingSettings(batch_size=1), CPU)
    return lambda: training.run_epoch(dataset, [video])


def usual(folder: Path) -> Callable[[], object]:
    """The usual steps."""
    dataset = Dataset(folder)
    (video,), _ = dataset.split(1)
    network = ReferenceNetwork(plain_branches(HAND), dataset.feature_dim(video), len(dataset.classes))
    training = ReferenceTraining(network)
    return lambda: training.step([np.load(dataset.feature_path(video))], [dataset.labels(video)])


def measure(side: Callable[[Path], Callable[[], object]], folder: Path) -> tuple[float, float]:
    """The peak in MB before and after some steps."""
    torch.set_num_threads(1)
    before = peak()
    step = side(folder)
    for _ in range(STEPS):
        step()
    return before, peak()


def main() -> None:
    """Measure the peak of resident memory of processes that train, ours and the usual formulation."""
    arguments = benchmark_parser("peak_memory", main.__doc__, rounds=3).parse_args()
    peaks: dict[str, list[tuple[float, float]]] = {"ours": [], "usual": []}
    with tempfile.TemporaryDirectory(prefix="peak-memory-") as name:
        folder = Path(name) / "data"
        generate(folder, 2, FRAMES, FEATURE_DIM)
        for _ in range(arguments.rounds):
            for side, steps in (("ours", ours), ("usual", usual)):
                with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                    peaks[side].append(pool.submit(measure, steps, folder).result())
    whole = {side: [after for _, after in values] for side, values in peaks.items()}
    own = {side: [after - before for before, after in values] for side, values in peaks.items()}
    print_findings(
        [
            Finding("ours, MB", whole["ours"]),
            Finding("the usual process, MB", whole["usual"]),
            Finding("ours / usual", ratios(whole["ours"], whole["usual"]), Bar("<=", 0.6)),
            Finding("the same without what PyTorch itself takes", ratios(own["ours"], own["usual"])),
        ]
    )


if __name__ == "__main__":
    run_command(main)
