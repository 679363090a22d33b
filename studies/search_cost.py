"""What searches on a data set as large as Breakfast cost on this machine, in hours, from timed training steps.

Breakfast has 1712 videos of 2070 frames on average (29 GB of features of 2048 channels in float32), and 48 classes.
"""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from statistics import median

import numpy as np
import torch
from torch import Tensor

from benchmarks.interleaved import benchmark_parser, processor
from benchmarks.made_up_videos import made_up_videos
from common.bad_input import BadInput, run_command
from nas_space.branching import Branching
from nas_space.network import POWERS_OF_TWO
from nas_space.networks import build, find_network
from nas_space.searchable import choose, expand
from nas_space.structure import Structure
from trials.data.arguments import SEARCH_FRACTION
from trials.data.batches import Batch
from trials.local_search import ITERATIONS
from trials.training.settings import PRECISIONS
from trials.training.training import Training, TrainingSettings, find_device, handle_out_of_memory, predict
from trials.trial_arguments import DIFFERENTIABLE_EPOCHS, EPOCHS_PER_ITERATION

FRAMES = 2070
CLASSES = 48
FEATURE_DIM = 2048
TRAINING_VIDEOS = 1712 * 3 // 4
"""Of one of the four splits."""
PAPER_EPOCHS = 5000 * 5
"""Of the genetic search with the paper's settings, as in ``experiments/breakfast_paper.yml``."""
WARM_UP_ROUNDS = 2


@dataclass(frozen=True)
class Workload:
    """A search or a training, as a number of epochs of one network."""

    what: str
    network: str
    epochs: int
    validates: bool
    """Whether it is evaluated on held-out videos after every epoch, as searches are."""

    def hours(self, seconds: Mapping[str, float], batch_size: int) -> float:
        """From the seconds of a ``NETWORK step`` and of a ``NETWORK prediction`` of one video."""
        held_out = round(TRAINING_VIDEOS * SEARCH_FRACTION) if self.validates else 0
        steps = math.ceil((TRAINING_VIDEOS - held_out) / batch_size)
        return (
            self.epochs
            * (steps * seconds[f"{self.network} step"] + held_out * seconds[f"{self.network} prediction"])
            / 3600
        )


WORKLOADS = (
    Workload("genetic search, paper's settings", "plain", PAPER_EPOCHS, validates=True),
    Workload("differentiable global search", "choosing", DIFFERENTIABLE_EPOCHS, validates=True),
    Workload("local search", "branched", ITERATIONS * EPOCHS_PER_ITERATION, validates=True),
    Workload("final training", "plain", TrainingSettings().epochs, validates=False),
)


def video_lengths(videos: int) -> list[int]:
    """Lengths distributed as in Breakfast, with the same mean: quantiles of a log-normal distribution."""
    levels = (np.arange(videos) + 0.5) / videos
    normal = torch.special.ndtri(torch.from_numpy(levels)).numpy()
    shares = np.exp(0.6 * normal)
    return [round(FRAMES * share) for share in shares / shares.mean()]


def sides(settings: TrainingSettings, device: torch.device) -> dict[str, Callable[[], object]]:
    """Training steps of the three kinds of network on one batch, and their predictions of one video."""
    videos = made_up_videos(video_lengths(settings.batch_size), FEATURE_DIM, CLASSES)
    ms_tcn = find_network("ms-tcn")
    structure = Structure((2, 2, 4, 8, 16, 32, 64, 128, 256, 512) * 4, ms_tcn)
    networks = {name: build(structure, FEATURE_DIM, CLASSES) for name in ("plain", "branched", "choosing")}
    expand(networks["branched"], structure, Branching(count=3))
    choose(networks["choosing"], ms_tcn, dict.fromkeys(ms_tcn.paths, POWERS_OF_TWO))

    def step(training: Training) -> Tensor:
        training.network.train()
        return training.step(Batch.of(videos, device))

    (one,) = made_up_videos([FRAMES], FEATURE_DIM, CLASSES)
    functions: dict[str, Callable[[], object]] = {}
    for name, network in networks.items():
        training = Training(network, settings, device)
        functions[f"{name} step"] = partial(step, training)
        functions[f"{name} prediction"] = partial(predict, training.network, one.features, device)
    return functions


def measure(functions: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each, interleaved. Each returns a number to the CPU, which waits for a GPU."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(WARM_UP_ROUNDS + rounds):
        for name, function in functions.items():
            before = time.monotonic()
            function()
            seconds[name].append(time.monotonic() - before)
    return {name: median(values[WARM_UP_ROUNDS:]) for name, values in seconds.items()}


@handle_out_of_memory()
def main() -> None:
    """Time training steps on a batch of Breakfast's size, and print how long each search would take on one split."""
    parser = benchmark_parser("search_cost", main.__doc__, rounds=10)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=8, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32", help="all others need CUDA")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.batch_size < 1:
        raise BadInput("--rounds and --batch-size must be at least 1")
    device = find_device(arguments.device)
    settings = TrainingSettings(batch_size=arguments.batch_size, precision=arguments.precision)
    seconds = measure(sides(settings, device), arguments.rounds)
    for name, value in seconds.items():
        print(f"{name:<36}{1000 * value:>12.1f} ms")
    for workload in WORKLOADS:
        hours = workload.hours(seconds, settings.batch_size)
        print(f"{workload.what:<36}{hours:>12.2f} hours, {workload.epochs} epochs")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    print(f"{name}, {settings.precision}, PyTorch {torch.__version__}, Python {platform.python_version()}")


if __name__ == "__main__":
    run_command(main)
