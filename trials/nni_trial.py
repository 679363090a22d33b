"""A trial as NNI and the tuner know it: its parameters, its folders, and the report of how it ended."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.bad_input import BadInput, KnownFailure
from common.local_http import NO_ANSWER, get_json
from nas_space.network import Network
from nas_space.structure import Structure
from nni_api.trial_channel import TrialChannel, manager_url
from nni_api.trial_report import TrialReport
from trials.data.dataset import Dataset
from trials.data.fingerprint import ChangedData, DataRecord, experiment_file
from trials.training.threads import are_threads_given
from trials.training.training import telling_full_memory


def experiment_folder() -> Path:
    """The folder of this trial's experiment; NNI_OUTPUT_DIR is EXPERIMENT/environments/local-env/trials/TRIAL."""
    return Path(os.environ["NNI_OUTPUT_DIR"]).parents[3]


def share_of_cores() -> int | None:
    """How many cores there are for each of the trials side by side, at least 1; None where NNI does not say.

    Two one-thread trials are at least a third faster than one two-thread trial; oversubscribed cores are much slower.
    """
    try:
        concurrency = get_json(f"{manager_url()}/experiment")["params"]["trialConcurrency"]
        return max(1, len(os.sched_getaffinity(0)) // concurrency)
    except (*NO_ANSWER, KeyError, TypeError):
        return None


@dataclass
class NniTrial:
    """This trial, as NNI and the tuner know it."""

    channel: TrialChannel
    network: Network
    started: float

    @classmethod
    def receive(cls, arguments: argparse.Namespace) -> NniTrial:
        """Receive the parameters of this trial (``TrialChannel.receive``), and its share of the cores as ``cores``."""
        started = time.monotonic()
        if not are_threads_given(arguments):
            arguments.cores = share_of_cores()
        return cls(TrialChannel.receive(), arguments.network, started)

    @property
    def parameters(self) -> dict[str, Any]:
        """What NNI gave it: dilations by label, and what else the tuner tells it."""
        return self.channel.parameters

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
        """The parameters that are dilations, by label."""
        return {label: self.parameters[label] for label in self.network.paths if label in self.parameters}

    def structure(self) -> Structure:
        """The structure that the parameters name. Raises BadInput where a layer is missing.

        A search space of the user's own may have other parameters, too.
        """
        return Structure.from_labels(self.dilations(), self.network)

    def report_epoch(self, metrics: dict[str, float]) -> None:
        """Show the metrics of an epoch on NNI's page, and to its assessor."""
        self.channel.report_intermediate_result(metrics)

    def report(self, **outcome: Any) -> None:
        """Tell the tuner the outcome: see ``TrialReport`` for the fields.

        The structure is that of the parameters, unless the trial found it itself.
        """
        seconds = round(time.monotonic() - self.started, 3)
        uid = None if self.channel.added_by_hand else self.parameters.get("_uid")
        trial = os.environ["NNI_TRIAL_JOB_ID"]
        found = "structure" in outcome
        outcome = {"structure": self.dilations(), **outcome}
        self.channel.report_final_result(TrialReport(uid, trial, seconds=seconds, **outcome).to_nni(found))

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
