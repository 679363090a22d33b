"""The trial of ``benchmarks.load``: it trains nothing, but reports like a real one."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any

from nas_space.branching import Branching
from nas_space.networks import DEFAULT, find_network
from nni_api.trial_channel import TrialChannel
from nni_api.trial_report import TrialReport


def outcome(parameters: dict[str, Any], trial: str, labels: Collection[str]) -> TrialReport:
    """A score up to 100 that depends on the structure alone, and equal probabilities of its branches, if any.

    Args:
        labels: of the network's layers.
    """
    structure = {label: parameters[label] for label in labels}
    score = 100 * sum(dilation.bit_length() for dilation in structure.values()) / (12 * len(structure))
    probabilities = None
    if "_branching" in parameters:
        branching = Branching.from_text(parameters["_branching"])
        counts = {label: len(branching.expand(dilation)) for label, dilation in structure.items()}
        probabilities = {label: [1 / count] * count for label, count in counts.items()}
    return TrialReport(
        parameters["_uid"], trial, structure, {"default": score}, seconds=0.0, probabilities=probabilities
    )


def main() -> None:
    """Report on this trial's structure; NNI must have started this process."""
    channel = TrialChannel.receive()
    labels = find_network(DEFAULT).paths.keys()
    channel.report_final_result(outcome(channel.parameters, os.environ["NNI_TRIAL_JOB_ID"], labels).to_nni())


if __name__ == "__main__":
    main()
