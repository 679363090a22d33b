"""A training step with weight-sharing branches, as in a local search, on one video of 1000 frames."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from torch import nn

from benchmarks.interleaved import CPU, Finding, benchmark_parser, interleaved_seconds, print_findings, ratios
from benchmarks.made_up_videos import CLASSES, FEATURE_DIM, channels_first, made_up_videos
from benchmarks.reference import MS_TCN, ReferenceNetwork, ReferenceTraining
from benchmarks.search_networks import START
from common.bad_input import run_command
from nas_space.branching import Branching
from nas_space.layers.convolutions import BranchedConv, DilatedConv
from nas_space.network import POWERS_OF_TWO
from nas_space.networks import build
from trials.data.batches import Batch
from trials.training.settings import TrainingSettings
from trials.training.training import Training

FRAMES = 1000


def put_branches(module: nn.Module, branches: Sequence[Sequence[int]]) -> None:
    """Insert branches with these dilations into each layer of an MS-TCN, in place; one dilation stays plain."""
    for path, several in zip(MS_TCN.paths.values(), branches, strict=True):
        conv = module.get_submodule(path)
        assert isinstance(conv, DilatedConv)
        if len(several) > 1:
            module.set_submodule(path, BranchedConv.expand(conv, several))


def by_stage(branches: Sequence[Sequence[int]]) -> list[Sequence[Sequence[int]]]:
    """The branches by stage, for ``ReferenceNetwork``."""
    remaining = iter(branches)
    return [list(islice(remaining, len(block.layers))) for block in MS_TCN.blocks]


def our_training(branches: Sequence[Sequence[int]]) -> Training:
    """Ours, with these dilations in each layer."""
    module = build(START, FEATURE_DIM, CLASSES)
    put_branches(module, branches)
    training = Training(module, TrainingSettings(), CPU)
    module.train()
    return training


def reference_training(branches: Sequence[Sequence[int]]) -> ReferenceTraining:
    """The usual formulation, with these dilations in each layer."""
    return ReferenceTraining(ReferenceNetwork(by_stage(branches), FEATURE_DIM, CLASSES))


def main() -> None:
    """Time training steps with 3 and with 11 branches, ours and the usual formulation, and our plain step."""
    arguments = benchmark_parser("branched_step", main.__doc__, rounds=20).parse_args()
    videos = made_up_videos([FRAMES])
    features, labels = channels_first(videos)
    three = [Branching(count=3).expand(dilation) for dilation in START.dilations]
    eleven = [POWERS_OF_TWO] * len(START.dilations)
    plain, ours_3, ours_11 = (our_training(each) for each in ([(d,) for d in START.dilations], three, eleven))
    usual_3, usual_11 = reference_training(three), reference_training(eleven)
    seconds = interleaved_seconds(
        {
            "plain": lambda: plain.step(Batch.of(videos, CPU)),
            "ours, 3": lambda: ours_3.step(Batch.of(videos, CPU)),
            "usual, 3": lambda: usual_3.step(features, labels),
            "ours, 11": lambda: ours_11.step(Batch.of(videos, CPU)),
            "usual, 11": lambda: usual_11.step(features, labels),
        },
        arguments.rounds,
    )
    print_findings(
        [
            Finding("3 branches: reference / ours", ratios(seconds["usual, 3"], seconds["ours, 3"])),
            Finding("3 branches / our plain step", ratios(seconds["ours, 3"], seconds["plain"])),
            Finding("11 branches: reference / ours", ratios(seconds["usual, 11"], seconds["ours, 11"])),
            Finding("11 branches / our plain step", ratios(seconds["ours, 11"], seconds["plain"])),
        ]
    )


if __name__ == "__main__":
    run_command(main)
