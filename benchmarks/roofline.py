"""The fraction of the processor's peak that a training step reaches, relative to the fastest matrix product."""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks.interleaved import CPU, Finding, benchmark_parser, interleaved_seconds, print_findings
from benchmarks.made_up_videos import CLASSES, FEATURE_DIM, channels_first, made_up_videos
from benchmarks.reference import CHANNELS, HAND, ReferenceNetwork, ReferenceTraining, plain_branches
from common.bad_input import run_command
from nas_space.networks import build
from nas_space.structure import Structure
from trials.data.batches import Batch
from trials.training.settings import TrainingSettings
from trials.training.training import Training

FRAMES = 5000
SHAPES = (
    (FRAMES, CHANNELS, CHANNELS),
    (CHANNELS, FRAMES, CHANNELS),
    (FRAMES, FEATURE_DIM, CHANNELS),
    (1024, 1024, 1024),
)
"""(m, k, n) of the timed products: the network's own, and a square one. The fastest counts."""
PRODUCTS = 2e9
"""Multiplications per shape and round."""


def multiplications(structure: Structure, frames: int, feature_dim: int, classes: int, channels: int = CHANNELS) -> int:
    """Multiplications of all matrix products of a training step on one video, for kernels of size 3.

    Every product of the forward pass has two in the backward pass, for its input and its weights; the features need
    no gradient. A tap at distance d reads frames - d of them.
    """
    total = 0
    for number, dilations in enumerate(structure.by_block()):
        total += (2 * feature_dim if number == 0 else 3 * classes) * frames * channels
        for dilation in dilations:
            outer = 2 * max(0, frames - dilation)
            total += 3 * (outer + 2 * frames) * channels**2
        total += 3 * frames * channels * classes
    return total


def products(m: int, k: int, n: int) -> Callable[[], object]:
    """Products (m, k) x (k, n) with ``PRODUCTS`` multiplications in total, into the same output."""
    one, other, result = torch.randn(m, k), torch.randn(k, n), torch.empty(m, n)
    times = round(PRODUCTS / (m * k * n))

    def multiply() -> None:
        for _ in range(times):
            torch.mm(one, other, out=result)

    return multiply


def main() -> None:
    """Time training steps on 5000 frames, ours and the usual ones, and matrix products."""
    arguments = benchmark_parser("roofline", main.__doc__, rounds=10).parse_args()
    videos = made_up_videos([FRAMES])
    features, labels = channels_first(videos)
    ours = Training(build(HAND, FEATURE_DIM, CLASSES), TrainingSettings(), CPU)
    ours.network.train()
    usual = ReferenceTraining(ReferenceNetwork(plain_branches(HAND), FEATURE_DIM, CLASSES))
    sides: dict[str, Callable[[], object]] = {
        "ours": lambda: ours.step(Batch.of(videos, CPU)),
        "usual": lambda: usual.step(features, labels),
    }
    seconds = interleaved_seconds(sides | {str(shape): products(*shape) for shape in SHAPES}, arguments.rounds)
    step = multiplications(HAND, FRAMES, FEATURE_DIM, CLASSES)
    peaks = [PRODUCTS / min(times) for times in zip(*(seconds[str(shape)] for shape in SHAPES), strict=True)]
    shares = {
        side: [step / time / peak for time, peak in zip(seconds[side], peaks, strict=True)]
        for side in ("ours", "usual")
    }
    print_findings(
        [
            Finding("our step, share of the peak", shares["ours"]),
            Finding("the usual step, share of the peak", shares["usual"]),
            Finding("the peak, GFLOP/s", [2e-9 * peak for peak in peaks]),
            Finding("a step, GFLOP", [2e-9 * step] * arguments.rounds),
        ]
    )


if __name__ == "__main__":
    run_command(main)
