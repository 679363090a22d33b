"""What searches on a data set as large as Breakfast cost on this machine, in hours, from timed training steps.

Breakfast has 1712 videos of 2070 frames on average (29 GB of features of 2048 channels in float32), and 48 classes.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from functools import partial
from statistics import median

import torch

from benchmarks.interleaved import benchmark_parser, processor
from benchmarks.made_up_videos import made_up_videos, ragged_lengths
from benchmarks.search_hours import Workload
from benchmarks.search_networks import NETWORKS, search_network
from common.bad_input import BadInput, run_command
from trials.data.batches import Batch
from trials.local_search import ITERATIONS
from trials.training.device import find_device, handle_out_of_memory
from trials.training.scoring import predict
from trials.training.settings import PRECISIONS, TrainingSettings
from trials.training.training import Training
from trials.trial_arguments import DIFFERENTIABLE_EPOCHS, EPOCHS_PER_ITERATION, SEARCH_EPOCHS

FRAMES = 2070
CLASSES = 48
FEATURE_DIM = 2048
TRAINING_VIDEOS = 1712 * 3 // 4
"""Of one of the four splits."""
PAPER_TRIALS = 5000
"""Of the genetic search with the paper's settings, as in ``experiments/breakfast_paper.yml``."""
WARM_UP_ROUNDS = 2


WORKLOADS = (
    Workload("genetic search, paper's settings", "plain", PAPER_TRIALS, SEARCH_EPOCHS, validates=True),
    Workload("differentiable global search", "choosing", 1, DIFFERENTIABLE_EPOCHS, validates=True),
    Workload("local search", "branched", ITERATIONS, EPOCHS_PER_ITERATION, validates=True),
    Workload("final training", "plain", 1, TrainingSettings().epochs, validates=False),
)


def sides(settings: TrainingSettings, device: torch.device) -> dict[str, Callable[[], object]]:
    """Training steps of the three kinds of network on one batch, and their predictions of one video."""
    videos = made_up_videos(ragged_lengths(settings.batch_size, FRAMES), FEATURE_DIM, CLASSES)

    def step(training: Training) -> float:
        training.network.train()
        return float(training.step(Batch.of(videos, device)))

    (one,) = made_up_videos([FRAMES], FEATURE_DIM, CLASSES)
    functions: dict[str, Callable[[], object]] = {}
    for name in NETWORKS:
        training = Training(search_network(name, FEATURE_DIM, CLASSES), settings, device)
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
        hours = workload.hours(seconds, TRAINING_VIDEOS, settings.batch_size)
        print(f"{workload.what:<36}{hours:>12.2f} hours, {workload.trials * workload.epochs} epochs")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    print(f"{name}, {settings.precision}, PyTorch {torch.__version__}, Python {platform.python_version()}")


if __name__ == "__main__":
    run_command(main)
