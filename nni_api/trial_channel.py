"""The channel between a trial and NNI's manager: the trial's parameters, and what it reports.

Implements NNI's HTTP channel (``nni/runtime/trial_command_channel/v3.py``, NNI 3.0): ``import nni`` would take as long
as ``import torch``, for SciPy and pandas, which no trial needs.
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from common.bad_input import BadInput
from common.local_http import NO_ANSWER, get_json, put_json
from nni_api.home import Home, MetricKind
from nni_api.manager import REST_PATH

TIME_LIMIT = 60.0
POLL_SECONDS = 0.2

NOTHING_YET, CLOSED = 408, 410
"""HTTP status codes of the channel for a poll without a command; it waits a second before the first."""


@dataclass
class TrialChannel:
    """The channel of this trial, and its parameters."""

    send: Callable[[MetricKind, int, dict[str, Any]], None]
    """Sends a metric: its kind, its number among those of this kind, its value."""
    parameter_id: int | None
    """NNI's own number of the parameters; None for a trial that was added on NNI's web page."""
    parameters: dict[str, Any]
    intermediate_results: int = 0

    @classmethod
    def receive(cls) -> TrialChannel:
        """Receive the parameters of this trial.

        NNI hands parameters to whichever trial asks first, so two trials that start together, or one that died before
        it asked, mix them up (NNI issues 5689, 5693, 5726). The manager's record of this trial has the correct ones,
        and their number, by which NNI pairs the results. On a remote machine of NNI's own (platform remote), the record
        cannot be reached: the trial takes the parameters that it was handed, and the tuner goes by what it reports.

        Raises:
            BadInput: NNI did not start this process.
            TimeoutError: the manager does not answer.
        """
        if (home := Home.current) is not None:
            return cls(home.send_metric, home.record["parameter_id"], home.record["parameters"])
        url = os.environ.get("NNI_TRIAL_COMMAND_CHANNEL", "")
        if "NNI_TRIAL_JOB_ID" not in os.environ or not url.startswith("http://"):
            raise BadInput(
                "NNI starts this command (nnictl create --config experiments/...yml); "
                "to train one structure without NNI, use python -m trials.train"
            )
        handed = _handed_record(url)
        record = _own_record() or handed
        if record is None:
            raise TimeoutError("NNI's manager closed the connection before this trial received its parameters")
        _write_log(f"parameters {json.dumps(record['parameters'])}\nwhat the trial prints is in stderr and stdout")
        return cls(partial(_put_metric, url, record["parameter_id"]), record["parameter_id"], record["parameters"])

    @property
    def added_by_hand(self) -> bool:
        """Whether this trial was added on NNI's web page."""
        return self.parameter_id is None

    def report_intermediate_result(self, metrics: dict[str, Any]) -> None:
        """Show metrics on NNI's page, and to its assessor."""
        self.send("PERIODICAL", self.intermediate_results, metrics)
        self.intermediate_results += 1

    def report_final_result(self, result: dict[str, Any]) -> None:
        """Send the tuner the result of this trial."""
        self.send("FINAL", 0, result)


def manager_url() -> str | None:
    """Address of the manager's REST interface; None if it cannot be reached from here."""
    channel = os.environ.get("NNI_TRIAL_COMMAND_CHANNEL", "")
    if not channel.startswith("http") or "/env/" not in channel:
        return None
    return channel.split("/env/")[0] + REST_PATH


def _put_metric(url: str, parameter_id: int | None, kind: MetricKind, sequence: int, value: dict[str, Any]) -> None:
    metric = {
        "parameter_id": parameter_id,
        "trial_job_id": os.environ["NNI_TRIAL_JOB_ID"],
        "type": kind,
        "sequence": sequence,
        "value": json.dumps(value),
    }
    put_json(url, {"type": "metric", "metric": json.dumps(metric)}, TIME_LIMIT)


def _handed_record(url: str) -> dict[str, Any] | None:
    """The parameters that NNI hands this trial, with their number; None if it closes the channel or does not answer."""
    put_json(url, {"type": "request_parameter"}, TIME_LIMIT)
    last_chance = time.monotonic() + TIME_LIMIT
    while True:
        try:
            answer = get_json(url)
            return dict(json.loads(answer["parameter"]))
        except urllib.error.HTTPError as fault:
            if fault.code == CLOSED:
                return None
            if fault.code != NOTHING_YET:
                raise
        except (*NO_ANSWER, TypeError, LookupError):  # a busy manager; its record has what is lost with its answer
            if time.monotonic() > last_chance:
                return None


def _own_record() -> dict[str, Any] | None:
    """The manager's record of this trial; None on a remote machine."""
    manager = manager_url()
    if manager is None:
        return None
    url = f"{manager}/trial-jobs/{os.environ['NNI_TRIAL_JOB_ID']}"
    last_chance = time.monotonic() + TIME_LIMIT
    while True:
        try:
            job = get_json(url)
            # The manager writes the record a moment after it starts the trial.
            if job and job.get("hyperParameters"):
                return dict(json.loads(job["hyperParameters"][0]))
        except urllib.error.HTTPError as fault:
            if fault.code == 404:
                return None  # the channel is the trial keeper of a remote machine
        except NO_ANSWER:
            pass
        if time.monotonic() > last_chance:
            raise TimeoutError(f"NNI's manager does not have the parameters of this trial: {url}")
        time.sleep(POLL_SECONDS)


def _write_log(text: str) -> None:
    """Write the first of the three logs that NNI's page shows for a trial."""
    folder = os.environ.get("NNI_OUTPUT_DIR")
    if folder is not None and Path(folder).is_dir():
        (Path(folder) / "trial.log").write_text(f"{text}\n")
