"""A trial as seen by NNI and the tuner: its parameters, its folders, and its report."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.local_http import NO_ANSWER, get_json
from nas_space.network import Network
from nas_space.structure import Structure
from nni_api.home import Home
from nni_api.trial_channel import TrialChannel, manager_url
from nni_api.trial_report import TrialReport, reason_of
from trials.data.dataset import Dataset
from trials.data.fingerprint import ChangedData, DataRecord, experiment_file
from trials.training.device import handle_out_of_memory
from trials.training.threads import are_threads_given
from trials.trial_arguments import TrialOptions


def experiment_folder() -> Path:
    """The folder of this trial's experiment; NNI_OUTPUT_DIR is EXPERIMENT/environments/local-env/trials/TRIAL."""
    return Path(os.environ["NNI_OUTPUT_DIR"]).parents[3]


def share_of_cores() -> int | None:
    """The number of cores of this machine for each of its concurrent trials, at least 1; None if NNI does not say.

    Two one-thread trials are at least a third faster than one two-thread trial; oversubscribed cores are much slower.
    """
    try:
        if (home := Home.current) is not None:
            concurrency = home.trials
        else:
            concurrency = get_json(f"{manager_url()}/experiment")["params"]["trialConcurrency"]
        return max(1, len(os.sched_getaffinity(0)) // concurrency)
    except (*NO_ANSWER, KeyError, TypeError):
        return None


@dataclass
class NniTrial:
    """This trial, as seen by NNI and the tuner."""

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

    @classmethod
    @contextmanager
    def run(cls, options: TrialOptions) -> Iterator[tuple[argparse.Namespace, NniTrial]]:
        """Receive this trial and check its options; see also ``reporting_failures``."""
        arguments = options.parser().parse_args()
        trial = cls.receive(arguments)
        with trial.reporting_failures():
            options.check(arguments)
            yield arguments, trial

    @property
    def parameters(self) -> dict[str, Any]:
        """Dilations by label, and further values from the tuner."""
        return self.channel.parameters

    def tensorboard_folder(self) -> Path:
        """The folder in which the TensorBoard button of NNI's page looks for the event files of this trial.

        In NNI 3.0 this is not a folder of NNI_OUTPUT_DIR.
        """
        trial = Path(os.environ["NNI_OUTPUT_DIR"]).name
        return experiment_folder() / "trials" / trial / "output" / "tensorboard"

    def data_record(self, dataset: Dataset, split: int, videos: Sequence[str]) -> DataRecord:
        """A record of the data that this trial reads, compared with that of the other trials of its experiment."""
        folder = experiment_folder()
        since, advice = f"experiment {folder.name} started", "restore it, then resume, or start a new experiment"
        return DataRecord(dataset, split, videos, since, advice, experiment_file(folder, dataset, split))

    def dilations(self) -> dict[str, Any]:
        """The parameters that are dilations, by label."""
        return {label: self.parameters[label] for label in self.network.paths if label in self.parameters}

    def structure(self) -> Structure:
        """The structure in the parameters. Raises BadInput if a layer is missing.

        A user's own search space may also have other parameters.
        """
        return Structure.from_labels(self.dilations(), self.network)

    def report_epoch(self, metrics: dict[str, float]) -> None:
        """Show the metrics of an epoch on NNI's page, and to its assessor."""
        self.channel.report_intermediate_result(metrics)

    def report(self, **outcome: Any) -> None:
        """Report the outcome to the tuner, as fields of ``TrialReport``.

        The structure is that of the parameters, unless the outcome has one that the trial found itself.
        """
        seconds = round(time.monotonic() - self.started, 3)
        uid = None if self.channel.added_by_hand else self.parameters.get("_uid")
        trial = os.environ["NNI_TRIAL_JOB_ID"]
        found = "structure" in outcome
        outcome = {"structure": self.dilations(), **outcome}
        self.channel.report_final_result(TrialReport(uid, trial, seconds=seconds, **outcome).to_nni(found))

    @contextmanager
    def reporting_failures(self) -> Iterator[None]:
        """Report every failure inside to the tuner before it is raised."""
        try:
            with handle_out_of_memory():
                yield
        except Exception as fault:
            self.report(failure=reason_of(fault), ends_search=isinstance(fault, ChangedData))
            raise
