"""The trial of ``benchmarks.load``: it trains nothing, and reports as a real one does.

It speaks to NNI's manager by itself, as importing NNI costs over a second of the processor.
"""

from __future__ import annotations

import json
import os
import re
import time
import urllib.request
from typing import Any

from nas_space.branches import Branching
from nas_space.local_http import TIME_LIMIT, get_json, open_locally
from nas_space.trial_report import TrialReport

LABEL = re.compile(r"s\d+l\d+")


def own_record(channel: str, trial: str) -> dict[str, Any]:
    """The manager's record of this trial, which it writes a moment after it has started the trial."""
    manager = f"{channel.split('/env/')[0]}/api/v1/nni"
    while True:
        job = get_json(f"{manager}/trial-jobs/{trial}")
        if job and job.get("hyperParameters"):
            return dict(json.loads(job["hyperParameters"][0]))
        time.sleep(0.2)


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


def report(channel: str, parameter_id: int, trial: str, value: dict[str, Any]) -> None:
    """A final result, as ``nni.report_final_result`` sends it (nni/runtime/trial_command_channel/v3.py)."""
    metric = {"parameter_id": parameter_id, "trial_job_id": trial, "type": "FINAL", "sequence": 0}
    metric["value"] = json.dumps(value)
    command = json.dumps({"type": "metric", "metric": json.dumps(metric)}).encode()
    request = urllib.request.Request(channel, command, {"Content-Type": "application/json"}, method="PUT")
    with open_locally(request, timeout=TIME_LIMIT) as response:
        response.read()


def main() -> None:
    """Report on this trial's structure; NNI must have started this process."""
    channel, trial = os.environ["NNI_TRIAL_COMMAND_CHANNEL"], os.environ["NNI_TRIAL_JOB_ID"]
    record = own_record(channel, trial)
    report(channel, record["parameter_id"], trial, outcome(record["parameters"], trial).to_nni())


if __name__ == "__main__":
    main()
