"""A training step on a batch of videos of very different length: packed, against padded to the longest."""

from __future__ import annotations

from benchmarks.interleaved import CPU, Finding, benchmark_parser, interleaved_seconds, print_findings, ratios
from benchmarks.made_up_videos import CLASSES, FEATURE_DIM, channels_first, made_up_videos
from benchmarks.reference import HAND, ReferenceNetwork, ReferenceTraining, plain_branches
from common.bad_input import run_command
from nas_space.networks import build
from trials.data.batches import Batch
from trials.training.settings import TrainingSettings
from trials.training.training import Training

LENGTHS = (500, 1000, 1500, 2000, 3000, 4000, 5000, 6000)


def main() -> None:
    """Time training steps on one batch of 8 videos of 500 to 6000 frames, ours and the usual formulation."""
    arguments = benchmark_parser("ragged_batch", main.__doc__, rounds=5).parse_args()
    videos = made_up_videos(LENGTHS)
    features, labels = channels_first(videos)
    ours = Training(build(HAND, FEATURE_DIM, CLASSES), TrainingSettings(), CPU)
    ours.network.train()
    usual = ReferenceTraining(ReferenceNetwork(plain_branches(HAND), FEATURE_DIM, CLASSES))
    seconds = interleaved_seconds(
        {"ours": lambda: ours.step(Batch.of(videos, CPU)), "usual": lambda: usual.step(features, labels)},
        arguments.rounds,
    )
    what = f"{sum(LENGTHS)} frames in {len(LENGTHS)} videos: reference / ours"
    print_findings([Finding(what, ratios(seconds["usual"], seconds["ours"]))])


if __name__ == "__main__":
    run_command(main)
