"""Searches whose trials run on hosts of their own: where each trial is, and what of them must be equal bit for bit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch

from common.read_file import read_json
from tests.drills.drilled_final import DrilledFinal
from tests.drills.drilled_search import DrilledSearch
from tests.drills.nni_home import find, is_manager, is_trial, processes_of
from tests.drills.remote.ssh_host import SshHost
from trials.training.checkpoint import load_torch

SEARCHES = ("global", "local")
COMMAND = (
    *("-m", "experiments.pipeline", "--dataset", "demo", "--global-search", "differentiable"),
    *("--phases", ",".join((*SEARCHES, "final")), "--seeds", "0", "1"),
)
PLACE = re.compile(r"^on (\S+)$", re.MULTILINE)
"""What a trial says when it begins on a host."""
LOST = "the trial goes on where there is room"
"""What it says when it has lost its host."""
RESUMED = re.compile(r"resumed after epoch (\d+)$", re.MULTILINE)
EPOCH = re.compile(r"^epoch \d+", re.MULTILINE)
"""What it says after each epoch."""
EARLY = 8
"""Epochs: of all trials that are struck, at most the first half."""


@dataclass
class ComparedSearch(DrilledSearch):
    """A local or global search of which all is compared that its trials report and write."""

    def outcome(self) -> dict[Any, Any]:
        """As for every search, and the epochs, the probabilities and the checkpoints of its trials."""
        evaluations = self.history().evaluations
        reports = {("report", *sorted(_origin(e).items())): (e.epochs, e.probabilities) for e in evaluations}
        return super().outcome() | reports | checkpoints(self._chains())

    def best(self) -> object:
        """The best structure, and of what there is a result at all."""
        return super().best(), self.outcome().keys()

    def _chains(self) -> Path:
        return self.home / "nni-experiments" / self.id() / "chains"


def _origin(evaluation: Any) -> dict[str, Any]:
    """What tells an evaluation from the others, whatever their order was."""
    about = {name: evaluation.about[name] for name in ("chain", "iteration") if name in evaluation.about}
    return about or evaluation.structure


@dataclass
class DrilledPipeline(DrilledFinal):
    """A pipeline: the differentiable search, the local search, and the final training of what they find and of hand."""

    command: tuple[str, ...] = COMMAND

    def id(self) -> str:
        """NNI's id of the experiment of the last step that has started. Raises FileNotFoundError before the first."""
        steps = read_json(self._run() / "pipeline.json")["steps"]
        started = [step["experiment"]["id"] for step in steps.values() if "experiment" in step]
        if not started:
            raise FileNotFoundError
        return str(started[-1])

    def outcome(self) -> dict[Any, Any]:
        """The structures found, what came out of every training, and its weights."""
        paths = [self._run() / "split1" / f"{name}.json" for name in SEARCHES]
        found = {path.name: read_json(path)["dilations"] for path in paths if path.exists()}
        return super().outcome() | found | checkpoints(self._output())

    def _run(self) -> Path:
        return self.folder / "runs" / "demo"


def checkpoints(folder: Path) -> dict[str, Any]:
    """The content of all checkpoints in a folder, by name: equal if all of their tensors are, bit for bit."""
    return {str(path.relative_to(folder)): _plain(load_torch(path)) for path in sorted(folder.rglob("*.pt"))}


def _plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return str(value.dtype), tuple(value.shape), value.numpy().tobytes()
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def printed(search: DrilledSearch) -> dict[str, str]:
    """What each trial has printed so far."""
    paths = search.home.glob("nni-experiments/*/environments/local-env/trials/*/trial.stderr")
    return {path.parent.name: path.read_text() for path in paths}


def places(search: DrilledSearch) -> dict[str, list[str]]:
    """The names of the hosts on which each trial has begun, in order."""
    return {trial: PLACE.findall(text) for trial, text in printed(search).items()}


def in_training(search: DrilledSearch, hosts: Sequence[SshHost]) -> tuple[str, SshHost] | None:
    """A trial that is early in its training on one of these hosts, and that host; None: there is none."""
    for trial, text in printed(search).items():
        parts = PLACE.split(text)  # text, host, text, host, text, ...
        if len(parts) > 1 and 1 <= len(EPOCH.findall(parts[-1])) <= EARLY and trial in at_work(search):
            for host in hosts:
                if host.name == parts[-2]:
                    return trial, host
    return None


def at_work(search: DrilledSearch) -> set[str]:
    """The trials of which a process is here."""
    found = set()
    for process in find(search.home, is_trial):
        with suppress(psutil.Error, KeyError):
            found.add(process.environ()["NNI_TRIAL_JOB_ID"])
    return found


def wait_for_training(search: DrilledSearch, hosts: Sequence[SshHost]) -> tuple[str, SshHost]:
    """As ``in_training``, as soon as there is one."""
    found: list[tuple[str, SshHost]] = []

    def holds() -> bool:
        found.extend(filter(None, [in_training(search, hosts)]))
        return bool(found)

    search.wait_for(holds, running=True)
    return found[0]


def times_begun(search: DrilledSearch, host: SshHost) -> int:
    """How often a trial has begun on a host."""
    return sum(names.count(host.name) for names in places(search).values())


def resumed_after(search: DrilledSearch) -> list[int]:
    """The epochs after which trainings went on, of those that were interrupted."""
    return sorted(int(epoch) for text in printed(search).values() for epoch in RESUMED.findall(text))


def listening(search: DrilledSearch, hosts: Sequence[SshHost]) -> set[tuple[str, str]]:
    """The processes of a search, here and on the hosts, that listen, and at which address; as ``ss -ltn`` has it."""
    found = set()
    for process in [each for home in (search.home, *(host.home for host in hosts)) for each in processes_of(home)]:
        with suppress(psutil.Error):
            what = "NNI's manager" if is_manager(process.cmdline()) else " ".join(process.cmdline()[:4])
            found |= {
                (what, each.laddr.ip) for each in process.net_connections("inet") if each.status == psutil.CONN_LISTEN
            }
    return found
