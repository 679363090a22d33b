"""Training steps of the networks other than MS-TCN on one video of 1000 frames: packed against padded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from unittest.mock import patch

from benchmarks.interleaved import CPU, Finding, benchmark_parser, interleaved_seconds, print_findings, ratios
from benchmarks.made_up_videos import CLASSES, FEATURE_DIM, made_up_videos
from common.bad_input import run_command
from nas_space.network import POWERS_OF_TWO, Network
from nas_space.networks import build, find_network
from nas_space.searchable import choose
from nas_space.structure import Structure
from trials.data.batches import Batch
from trials.training.settings import TrainingSettings
from trials.training.training import Training

FRAMES = 1000
NETWORKS = ("ms-tcn++", "causal-ms-tcn")


def stepper(network: Network, candidates: Sequence[int] = ()) -> Callable[[], object]:
    """A training step of a network, whose layers choose among the candidates, if any."""
    videos = made_up_videos([FRAMES])
    module = build(Structure.hand(network), FEATURE_DIM, CLASSES)
    if candidates:
        choose(module, network, dict.fromkeys(network.paths, candidates))
    training = Training(module, TrainingSettings(), CPU)
    module.train()
    return lambda: training.step(Batch.of(videos, CPU))


def padded(step: Callable[[], object]) -> None:
    """The same step in the padded form, which GPUs use."""
    with (
        patch("nas_space.layers.residual.is_packed", lambda *_: False),
        patch("nas_space.layers.dual_stage.is_packed", lambda *_: False),
    ):
        step()


def main() -> None:
    """Time training steps of the networks other than MS-TCN: plain, and with 11 branches."""
    arguments = benchmark_parser("other_networks", main.__doc__, rounds=10).parse_args()
    findings = []
    for name in NETWORKS:
        network = find_network(name)
        for what, step in ((name, stepper(network)), (f"{name}, 11 branches", stepper(network, POWERS_OF_TWO))):
            sides: dict[str, Callable[[], object]] = {"packed": step, "padded": partial(padded, step)}
            seconds = interleaved_seconds(sides, arguments.rounds)
            findings.append(Finding(f"{what}: padded / packed", ratios(seconds["padded"], seconds["packed"])))
    print_findings(findings)


if __name__ == "__main__":
    run_command(main)
