"""What trainings and searches cost on a GPU, in the form that the layers had before and in the new one.

Made-up videos, as many and as long as those of Breakfast or a fraction of them; needs PyTorch and NumPy only.
"""

from __future__ import annotations

import argparse
import math
import platform
from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np
import torch

from benchmarks.gpu.peak import peak_copy, peak_products, step_bytes, step_operations
from benchmarks.gpu.precisions import largest_relative_difference, logits, precisions_on
from benchmarks.gpu.report import (
    print_at_once,
    print_epochs,
    print_logits,
    print_row,
    print_searches,
    print_shares,
    print_start,
)
from benchmarks.gpu.rounds import measure
from benchmarks.gpu.start import start_stages
from benchmarks.gpu.step import BREAKFAST, FORMS, Size, all_sides, functions_of, offsets_in_form, step_on
from benchmarks.interleaved import Bar, processor
from benchmarks.operators import count_operators
from benchmarks.search_networks import AT_ONCE, NETWORKS, START, search_network
from common.bad_input import BadInput, KnownFailure, run_command
from common.command_parser import command_parser
from nas_space.layers.packed_videos import PackedVideos
from trials.data.batches import pack
from trials.data.dataset import Video
from trials.training.device import find_device, handle_out_of_memory

LIMIT = 180.0
"""Seconds of timed rounds. All else takes less than that: six minutes in all."""
STARTS = 3
SIDE_BY_SIDE = 4
"""Trials that share a GPU."""
MOST_OPERATORS = Bar("<=", 600)
"""Of a training step of the plain network, without views: each takes the processor some microseconds to launch."""


def main() -> None:
    """Time trainings of Breakfast's size on a GPU, before and after, and print what they and searches cost."""
    arguments = parse_arguments()
    if arguments.count_operators:
        print_operators()
        return
    if arguments.device.startswith("cuda") and not torch.cuda.is_available():
        raise BadInput("there is no GPU here; to try the benchmark on a CPU: --device cpu --fraction 0.002")
    with handle_out_of_memory():
        run(find_device(arguments.device), BREAKFAST, arguments)


def parse_arguments() -> argparse.Namespace:
    """The options of the command."""
    parser = command_parser("benchmarks.gpu", main.__doc__, "--fraction 0.025")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N or cpu (default: %(default)s)")
    parser.add_argument(
        "--fraction", type=float, default=0.025, help="of the videos, that are timed (default: %(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="at most (default: %(default)s)")
    parser.add_argument(
        "--trials",
        type=int,
        default=4,
        metavar="N",
        help=f"through NNI, and N times {SIDE_BY_SIDE} side by side; 0: none (default: %(default)s)",
    )
    parser.add_argument("--count-operators", action="store_true", help="only count those of a step; needs no GPU")
    arguments = parser.parse_args()
    if not 0 < arguments.fraction <= 1:
        raise BadInput(f"--fraction must be above 0 and at most 1, not {arguments.fraction}")
    if arguments.rounds < 1:
        raise BadInput("--rounds must be at least 1")
    if arguments.trials < 0 or arguments.trials == 1:
        raise BadInput("--trials must be 0 or at least 2: timed is from the end of the first to the end of the last")
    return arguments


def run(device: torch.device, size: Size, arguments: argparse.Namespace) -> None:
    """Measure, and print everything.

    Raises:
        KnownFailure: some steps or predictions failed; all else is printed before.
    """
    precisions = precisions_on(device)
    batches = size.batches(arguments.fraction)
    lengths = [len(video.labels) for batch in batches for video in batch]
    print_setting(device, size, batches)

    # On a CPU, eight would take minutes and say no more than two.
    sides = list(all_sides(precisions, list(AT_ONCE)[: None if device.type == "cuda" else 1]))
    measured = measure(functions_of(sides, size, batches, device), device, arguments.rounds, LIMIT)
    seconds = {side: float(np.median(of_side.seconds)) for side, of_side in measured.items()}  # of NaN it is NaN
    predicted = sum(len(video.labels) for video in batches[0]) / size.frames
    print_epochs(measured, seconds, size.videos / len(lengths), predicted)
    print_at_once(seconds, size.videos / len(lengths))

    # The default is no precision of its own on a GPU: PyTorch's convolutions have another than its matrix products.
    compared = precisions[1:] or precisions
    copied = peak_copy(device)
    print_shares(
        seconds,
        {precision: (peak_products(device, precision), copied) for precision in compared},
        step_operations(START, lengths, size.feature_dim, size.classes),
        {each: step_bytes(START, sum(lengths), size.feature_dim, 2 if each == "bf16" else 4) for each in compared},
    )
    print_logits(logit_differences(size, batches[0][0], device))

    stages = start_stages(device, size, STARTS)
    print_start(stages, size, STARTS)
    print_searches(seconds, len(lengths), predicted, stages, size)
    print_trials(device, size, len(lengths), arguments.trials)
    failed = [side for side, value in seconds.items() if math.isnan(value)]
    if failed:
        raise KnownFailure(f"{len(failed)} of {len(seconds)} could not be timed, the first is {failed[0]}: see above")


def print_setting(device: torch.device, size: Size, batches: Sequence[Sequence[Video]]) -> None:
    """What is measured, and on what."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{processor()}, no GPU"
    frames = [len(video.labels) for batch in batches for video in batch]
    print(f"{name}, PyTorch {torch.__version__}, Python {platform.python_version()}")
    print(
        f"MS-TCN of 4 x 10 layers; {len(frames)} of {size.videos} made-up videos: {sum(frames)} frames of "
        f"{size.feature_dim} channels, {size.classes} classes; steps on {len(batches[0])} videos each"
    )
    print("before: the offsets are plain numbers (padded layers; on a CPU packed ones); after: IndexedOffsets")


def logit_differences(size: Size, video: Video, device: torch.device) -> dict[tuple[str, str], float]:
    """What each form and precision does to the logits of the plain network, against float32 in the same form."""
    _, *others = precisions = precisions_on(device)
    if not others:
        return {}
    torch.manual_seed(0)
    network = search_network("plain", size.feature_dim, size.classes).to(device)
    features = pack([video.features]).to(device)
    differences = {}
    for form in FORMS:
        videos = PackedVideos(features, offsets_in_form(form, (0, len(features)), device))
        exact = logits(network, videos, "float32")
        for precision in precisions:
            if precision != "float32":
                differences[form, precision] = largest_relative_difference(logits(network, videos, precision), exact)
    return differences


def print_trials(device: torch.device, size: Size, videos: int, count: int) -> None:
    """Trials of a genetic search an hour, if NNI is there."""
    missing = [name for name in ("nni", "yaml", "tqdm") if find_spec(name) is None]
    if count == 0 or missing:
        why = "--trials 0" if count == 0 else f"{', '.join(missing)} cannot be imported"
        print(f"\nTrials an hour through NNI: not measured ({why})")
        return
    from benchmarks.gpu.trials import EPOCHS, trials_an_hour

    found = trials_an_hour(device, size, videos, count, (1, SIDE_BY_SIDE if device.type == "cuda" else 2))
    print(f"\nTrials an hour through NNI, each of {EPOCHS} epochs on {videos} videos:")
    for side_by_side, number in found.items():
        print_row("one after another" if side_by_side == 1 else f"{side_by_side} side by side", number)


def print_operators() -> None:
    """The operators of one training step of each network, before and after."""
    print(
        "Operators of a training step (forward, loss, backward, optimizer), on the device meta, in the form of a GPU."
    )
    print_row("", "before: views", "others", "after: views", "others")
    counts = {
        (network, form): count_operators(step_on(torch.device("meta"), network, form))
        for network in NETWORKS
        for form in FORMS
    }
    for network in NETWORKS:
        print_row(network, *(number for form in FORMS for number in counts[network, form]))
    verdict = "met" if MOST_OPERATORS.met(counts["plain", "after"].others) else "MISSED"
    print(f"bar of plain, after, others: {MOST_OPERATORS} {verdict}; PyTorch {torch.__version__}")


if __name__ == "__main__":
    run_command(main)
