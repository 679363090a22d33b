"""Prediction and scores of 28 long videos, as after an epoch of a trial: ours, against frame by frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from benchmarks.interleaved import Finding, benchmark_parser, interleaved_seconds, print_findings, ratios
from benchmarks.made_up_videos import CLASSES, FEATURE_DIM, channels_first, made_up_videos
from benchmarks.reference import HAND, ReferenceNetwork, plain_branches
from benchmarks.reference_evaluation import predicted_names, reference_scores
from common.bad_input import run_command
from nas_space.networks import build
from trials.data.label_files import Labels
from trials.training.metrics import Scores
from trials.training.scoring import predict

LENGTHS = tuple(np.linspace(1000, 6000, 28, dtype=int).tolist())
CLASS_IDS = {f"action_{index}": index for index in range(CLASSES)}
CLASS_NAMES = list(CLASS_IDS)


def made_up_logits(labels: Labels, random: np.random.Generator) -> Tensor:
    """``(frames, classes)``: correct except in a fifth of the intervals of 25 frames, which have a random class."""
    intervals = len(labels) // 25 + 1
    changed = np.repeat(random.random(intervals) < 0.2, 25)[: len(labels)]
    chosen = np.where(changed, np.repeat(random.integers(CLASSES, size=intervals), 25)[: len(labels)], labels)
    return torch.nn.functional.one_hot(torch.from_numpy(chosen), CLASSES).float()


def our_scores(truth: Sequence[Labels], logits: Sequence[Tensor]) -> dict[str, float]:
    """Metrics as ``score_network`` computes them."""
    scores = Scores(CLASSES)
    for labels, video in zip(truth, logits, strict=True):
        scores.add(video.argmax(dim=-1).numpy(), labels)
    return scores.metrics()


@torch.no_grad()
def main() -> None:
    """Time predicting and scoring 28 videos of 1000 to 6000 frames, from the network's logits and with the network."""
    arguments = benchmark_parser("evaluation", main.__doc__, rounds=5).parse_args()
    longest = made_up_videos(LENGTHS[-1:])
    features, (padded,) = longest[0].features, channels_first(longest)[0]
    truth = [longest[0].labels[:frames] for frames in LENGTHS]
    true_names = [[CLASS_NAMES[label] for label in labels] for labels in truth]
    random = np.random.default_rng(0)
    logits = [made_up_logits(labels, random) for labels in truth]
    network = build(HAND, FEATURE_DIM, CLASSES)
    reference = ReferenceNetwork(plain_branches(HAND), FEATURE_DIM, CLASSES).eval()

    def ours() -> dict[str, float]:
        return our_scores(truth, logits)

    def usual() -> dict[str, float]:
        return reference_scores(true_names, [predicted_names(video.t(), CLASS_IDS) for video in logits])

    def our_network() -> None:
        for frames in LENGTHS:
            predict(network, features[:frames], torch.device("cpu"))

    def usual_network() -> None:
        for frames in LENGTHS:
            reference(torch.from_numpy(padded[:, :frames])[None], torch.ones(1, 1, frames))[-1].softmax(dim=1)

    seconds = interleaved_seconds(
        {"ours": ours, "usual": usual, "our network": our_network, "usual network": usual_network}, arguments.rounds
    )
    ours_whole, usual_whole = (
        np.add(seconds[side], seconds[f"{network_of} network"]).tolist()
        for side, network_of in (("ours", "our"), ("usual", "usual"))
    )
    print_findings(
        [
            Finding("from logits to metrics: reference / ours", ratios(seconds["usual"], seconds["ours"])),
            Finding("with the network on this processor: reference / ours", ratios(usual_whole, ours_whole)),
        ]
    )


if __name__ == "__main__":
    run_command(main)
