"""The trial of ``benchmarks.load``: it trains nothing, and reports as a real one does."""

from __future__ import annotations

import os
import re
from typing import Any

from nas_space.branching import Branching
from nni_api.trial_channel import TrialChannel
from nni_api.trial_report import TrialReport

LABEL = re.compile(r"s\d+l\d+")


def outcome(parameters: dict[str, Any], trial: str) -> TrialReport:
    """A score up to 100 that the structure alone decides, and branches that are all alike if it has any."""
    structure = {name: value for name, value in parameters.items() if LABEL.fullmatch(name)}
    score = 100 * sum(dilation.bit_length() for dilation in structure.values()) / (12 * len(structure))
    alike = None
    if "_branching" in parameters:
        branching = Branching.from_text(parameters["_branching"])
        counts = {label: len(branching.expand(dilation)) for label, dilation in structure.items()}
        alike = {label: [1 / count] * count for label, count in counts.items()}
    return TrialReport(parameters["_uid"], trial, structure, {"default": score}, seconds=0.0, probabilities=alike)


def main() -> None:
    """Report on this trial's structure; NNI must have started this process."""
    channel = TrialChannel.receive()
    channel.report_final_result(outcome(channel.parameters, os.environ["NNI_TRIAL_JOB_ID"]).to_nni())


if __name__ == "__main__":
    main()
