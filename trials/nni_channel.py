"""What a trial receives from NNI (its own parameters, which NNI 3.0 does not guarantee by itself), and reports."""

from __future__ import annotations

import argparse
import json
import os
import re
import time
import urllib.error
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nni
import nni.trial

from nas_space.bad_input import BadInput, KnownFailure
from nas_space.local_http import NO_ANSWER, get_json
from nas_space.trial_report import TrialReport
from trials.data_fingerprint import ChangedData, DataRecord, experiment_file
from trials.dataset import Dataset
from trials.threads import are_threads_given
from trials.training import telling_full_memory

LABEL = re.compile(r"s\d+l\d+")

TIME_LIMIT = 60.0
POLL_SECONDS = 0.2


def own_parameters() -> tuple[dict[str, Any], bool]:
    """The parameters of this very trial, and whether somebody added it on NNI's web page.

    NNI hands parameters to whichever trial asks first, so that two trials that start together, or one that died before
    it asked, mix them up (NNI issues 5689, 5693, 5726). The manager's record of this trial has the right ones; NNI's
    own notion is corrected with them, so that NNI pairs the results rightly, too. On a remote machine the record cannot
    be reached: the handed parameters stand, and the tuner believes what the trial reports of them.

    Raises:
        BadInput: NNI did not start this process.
        TimeoutError: the manager does not answer.
    """
    if "NNI_TRIAL_JOB_ID" not in os.environ:
        raise BadInput(
            "NNI starts this command (nnictl create --config experiments/...yml); "
            "to train one structure without NNI, use python -m trials.train"
        )
    nni.get_next_parameter()
    record = _own_record() or nni.trial._params
    if record is None:
        raise TimeoutError("NNI's manager closed the connection before this trial received its parameters")
    nni.trial._params = record
    return record["parameters"], record["parameter_id"] is None


def _own_record() -> dict[str, Any] | None:
    """The manager's record of this trial; None on a remote machine."""
    manager = _manager_url()
    if manager is None:
        return None
    url = f"{manager}/trial-jobs/{os.environ['NNI_TRIAL_JOB_ID']}"
    last_chance = time.monotonic() + TIME_LIMIT
    while True:
        try:
            job = get_json(url)
            # The manager writes the record a moment after it starts the trial.
            if job and job.get("hyperParameters"):
                return json.loads(job["hyperParameters"][0])
        except urllib.error.HTTPError as fault:
            if fault.code == 404:
                return None  # the channel is the trial keeper of a remote machine
        except NO_ANSWER:
            pass
        if time.monotonic() > last_chance:
            raise TimeoutError(f"NNI's manager does not tell the parameters of this trial: {url}")
        time.sleep(POLL_SECONDS)


def _manager_url() -> str | None:
    """Where NNI's manager answers; None where it cannot be reached from here."""
    channel = os.environ.get("NNI_TRIAL_COMMAND_CHANNEL", "")
    if not channel.startswith("http") or "/env/" not in channel:
        return None
    return f"{channel.split('/env/')[0]}/api/v1/nni"


def experiment_folder() -> Path:
    """The folder of this trial's experiment; NNI_OUTPUT_DIR is EXPERIMENT/environments/local-env/trials/TRIAL."""
    return Path(os.environ["NNI_OUTPUT_DIR"]).parents[3]


def share_of_cores() -> int | None:
    """How many cores there are for each of the trials side by side, at least 1; None where NNI does not say.

    Two one-thread trials are at least a third faster than one two-thread trial; oversubscribed cores are much slower.
    """
    try:
        concurrency = get_json(f"{_manager_url()}/experiment")["params"]["trialConcurrency"]
        return max(1, len(os.sched_getaffinity(0)) // concurrency)
    except (*NO_ANSWER, KeyError, TypeError):
        return None


@dataclass
class NniTrial:
    """This trial, as NNI and the tuner know it."""

    parameters: dict[str, Any]
    added_by_hand: bool
    started: float

    @classmethod
    def receive(cls, arguments: argparse.Namespace) -> NniTrial:
        """Receive the parameters of this trial (``own_parameters``), and its share of the cores as ``cores``."""
        started = time.monotonic()
        if not are_threads_given(arguments):
            arguments.cores = share_of_cores()
        return cls(*own_parameters(), started)

    def tensorboard_folder(self) -> Path:
        """Where the TensorBoard button of NNI's page looks for the event files of this trial.

        In NNI 3.0 this is not a folder of NNI_OUTPUT_DIR.
        """
        trial = Path(os.environ["NNI_OUTPUT_DIR"]).name
        return experiment_folder() / "trials" / trial / "output" / "tensorboard"

    def data_record(self, dataset: Dataset, split: int, videos: Sequence[str]) -> DataRecord:
        """A record of the data that this trial reads, compared with what the other trials of its experiment read."""
        folder = experiment_folder()
        since, advice = f"experiment {folder.name} started", "restore it, then resume, or start a new experiment"
        return DataRecord(dataset, split, videos, since, advice, experiment_file(folder, dataset, split))

    def dilations(self) -> dict[str, Any]:
        """The parameters that are dilations, by short label."""
        return {name: value for name, value in self.parameters.items() if LABEL.fullmatch(name)}

    def report_epoch(self, metrics: dict[str, float]) -> None:
        """Show the metrics of an epoch on NNI's page, and to its assessor."""
        nni.report_intermediate_result(metrics)

    def report(self, **outcome: Any) -> None:
        """Tell the tuner the outcome: see ``TrialReport`` for the fields.

        The structure is that of the parameters, unless the trial found it itself.
        """
        seconds = round(time.monotonic() - self.started, 3)
        uid = None if self.added_by_hand else self.parameters.get("_uid")
        trial = os.environ["NNI_TRIAL_JOB_ID"]
        found = "structure" in outcome
        outcome = {"structure": self.dilations(), **outcome}
        nni.report_final_result(TrialReport(uid, trial, seconds=seconds, **outcome).to_nni(found))

    @contextmanager
    def reporting_failures(self) -> Iterator[None]:
        """Whatever goes wrong inside is reported to the tuner before it is raised."""
        try:
            with telling_full_memory():
                yield
        except Exception as fault:
            if isinstance(fault, OSError) and fault.filename is not None:
                failure = f"{fault.filename}: {fault.strerror}"
            elif isinstance(fault, BadInput | KnownFailure):
                failure = str(fault)
            else:
                failure = f"{type(fault).__name__}: {fault}"
            self.report(failure=failure, ends_search=isinstance(fault, ChangedData))
            raise
