"""Difference between our gradients and those of nn.Conv1d in double precision, for whole networks and their loss."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from benchmarks.branched_step import by_stage, put_branches
from benchmarks.interleaved import Bar, Finding, benchmark_parser, print_findings
from benchmarks.made_up_videos import CLASSES
from benchmarks.reference import MS_TCN, ReferenceNetwork, reference_loss
from common.bad_input import run_command
from nas_space.layers.packed_videos import PackedVideos
from nas_space.network import POWERS_OF_TWO
from nas_space.networks import build
from nas_space.structure import Structure
from trials.training.loss import segmentation_loss

FRAMES = 1500
FEATURE_DIM = 64
BRANCHES = (1, 3, 11)


def largest_difference(branches: Sequence[Sequence[int]], seed: int) -> float:
    """Largest difference between the gradients of all weights; ``branches`` are the dilations of each layer."""
    torch.manual_seed(seed)
    start = Structure(tuple(several[0] for several in branches), MS_TCN)
    ours = build(start, FEATURE_DIM, CLASSES).eval()  # without dropout
    put_branches(ours, branches)
    ours = ours.double()
    theirs = ReferenceNetwork(by_stage(branches), FEATURE_DIM, CLASSES, torch.nn.Identity).double()
    theirs.load_state_dict(ours.state_dict())
    features = torch.randn(FRAMES, FEATURE_DIM, dtype=torch.float64)
    labels = torch.randint(CLASSES, (FRAMES // 50,)).repeat_interleave(50)
    segmentation_loss(ours(PackedVideos(features, (0, FRAMES))), labels, (0, FRAMES)).backward()
    mask = torch.ones(1, 1, FRAMES, dtype=torch.float64)
    reference_loss(theirs(features.t()[None], mask), labels[None], mask).backward()
    expected = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    differences = []
    for name, parameter in ours.named_parameters():
        other = expected[name]
        assert parameter.grad is not None
        assert other is not None
        differences.append(float((parameter.grad - other).abs().max()))
    return max(differences)


def main() -> None:
    """Compare the gradients of random structures: plain, with 3 branches, and with all 11 powers of two."""
    arguments = benchmark_parser("gradients", main.__doc__, rounds=5).parse_args()
    random = np.random.default_rng(0)
    findings = []
    for count in BRANCHES:
        differences = []
        for seed in range(arguments.rounds):
            branches = [sorted(random.choice(POWERS_OF_TWO, count, replace=False).tolist()) for _ in range(40)]
            differences.append(largest_difference(branches, seed))
        what = f"{count} branch{'es' * (count > 1)}: largest difference in {arguments.rounds} networks"
        findings.append(Finding(what, [max(differences)], Bar("<=", 1e-10)))
    print_findings(findings)


if __name__ == "__main__":
    run_command(main)
