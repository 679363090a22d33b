"""A plain training step on one video of 1000 frames, against the usual formulation."""

from __future__ import annotations

import numpy as np

from benchmarks.interleaved import CPU, Finding, benchmark_parser, interleaved_seconds, print_findings, ratios
from benchmarks.made_up_videos import CLASSES, FEATURE_DIM, made_up_videos
from benchmarks.reference import HAND, BitDropout, ReferenceNetwork, ReferenceTraining, plain_branches
from common.bad_input import run_command
from nas_space.networks import build
from trials.data.batches import Batch
from trials.training.settings import TrainingSettings
from trials.training.training import Training

FRAMES = 1000


def main() -> None:
    """Time training steps of ours and of the usual formulation, with its own dropout and with ours."""
    arguments = benchmark_parser("training_step", main.__doc__, rounds=40).parse_args()
    videos = made_up_videos([FRAMES])
    ours = Training(build(HAND, FEATURE_DIM, CLASSES), TrainingSettings(), CPU)
    ours.network.train()
    plain = plain_branches(HAND)
    usual = ReferenceTraining(ReferenceNetwork(plain, FEATURE_DIM, CLASSES))
    cheap = ReferenceTraining(ReferenceNetwork(plain, FEATURE_DIM, CLASSES, BitDropout))
    features, labels = [np.ascontiguousarray(video.features.T) for video in videos], [video.labels for video in videos]
    seconds = interleaved_seconds(
        {
            "ours": lambda: ours.step(Batch.of(videos, CPU)),
            "usual": lambda: usual.step(features, labels),
            "cheap": lambda: cheap.step(features, labels),
        },
        arguments.rounds,
    )
    print_findings(
        [
            Finding("reference / ours", ratios(seconds["usual"], seconds["ours"])),
            Finding("reference with our dropout / ours", ratios(seconds["cheap"], seconds["ours"])),
        ]
    )


if __name__ == "__main__":
    run_command(main)
