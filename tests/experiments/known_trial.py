"""A trial without a network: its metric is a known function of the structure, and it dies when it is told to.

``python3 -m tests.experiments.known_trial FOLDER [--die-before-asking N ...] [--seconds S]``: FOLDER gets one file a
trial, named after what it received; trials with these sequence numbers exit before they ask NNI for parameters.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from nni_api.trial_channel import TrialChannel
from nni_api.trial_report import TrialReport


def known_metric(structure: dict[str, int]) -> float:
    """Different for nearly all structures: the sum over layers of (position + 1) x dilation, scaled."""
    return sum((position + 1) * dilation for position, dilation in enumerate(structure.values())) / 10


def main() -> None:
    """Report the known metric, or die."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--die-before-asking", type=int, nargs="*", default=[])
    parser.add_argument("--seconds", type=float, default=0.0)
    arguments = parser.parse_args()
    if int(os.environ["NNI_TRIAL_SEQ_ID"]) in arguments.die_before_asking:
        sys.exit(7)

    channel = TrialChannel.receive()
    parameters = channel.parameters
    structure = {name: value for name, value in parameters.items() if name != "_uid"}
    uid = None if channel.added_by_hand else parameters["_uid"]
    time.sleep(arguments.seconds)
    trial = os.environ["NNI_TRIAL_JOB_ID"]
    (arguments.folder / f"{uid}-{trial}").touch()
    metrics = {"default": known_metric(structure)}
    channel.report_intermediate_result(metrics)
    channel.report_final_result(TrialReport(uid, trial, structure, metrics, [metrics], arguments.seconds).to_nni())


if __name__ == "__main__":
    main()
