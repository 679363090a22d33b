"""Fixtures of the trial tests: commands run in this process, a snapshot of a folder, and one tiny trained network."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings

from common.bad_input import run_command
from nas_space.networks import ms_tcn
from nas_space.structure import Structure
from nni_api.trial_channel import TrialChannel
from nni_api.trial_report import TrialReport
from tests.conftest import write_dataset
from trials import train

# A busy machine is no fault of the code.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

torch.set_num_threads(1)  # tiny networks: more threads only wait for each other

TINY = ("--network", "ms-tcn:stages=2,layers=3", "--batch-size", "2", "--device", "cpu")
"""Options of the smallest network that still has a later stage."""

TINY_STRUCTURE = Structure.hand(ms_tcn.describe(stages=2, layers=3))

Command = Callable[..., None]
"""``command(main, "--option", value)``: run a command's ``main`` with these words as its command line."""


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run the ``main`` of a command in this process."""

    def run(main: Callable[[], None], *words: object) -> None:
        monkeypatch.setattr(sys, "argv", ["command", *map(str, words)])
        main()

    return run


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


Exit = Callable[..., Outcome]
"""``exit_of(main, "--option", value)``: as ``command``, but to the exit code, as a shell sees it."""


@pytest.fixture
def exit_of(command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Exit:
    """Run the ``main`` of a command in this process up to its exit."""

    def run(main: Callable[[], None], *words: object) -> Outcome:
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # put back afterwards
        capsys.readouterr()
        with pytest.raises(SystemExit) as exited:
            command(lambda: run_command(main), *words)
        assert isinstance(exited.value.code, int)
        return Outcome(exited.value.code, *capsys.readouterr())

    return run


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder with a digest of its content, and every folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in folder.rglob("*")
    }


def equal_weights(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Whether two state dicts are equal bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def read_scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard shows of the event files in a folder: steps and values by tag."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # half a second of CPU time

    events = EventAccumulator(str(folder)).Reload()
    shown = {tag: [(point.step, point.value) for point in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    return {tag: points for tag, points in shown.items() if points}


class Boom:
    """A trap: pickled, it makes a folder when it is loaded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.mkdir, (self.folder,)


class Trial:
    """A trial without NNI: its parameters, and what it reported."""

    def __init__(self) -> None:
        self.parameters: dict[str, Any] = {**TINY_STRUCTURE.by_label(), "_uid": 42}
        self.parameter_id: int | None = 0
        self.intermediate: list[dict[str, float]] = []
        self.final: list[dict[str, Any]] = []

    @property
    def events(self) -> Path:
        """Where the TensorBoard button of NNI's page looks for its event files."""
        return Path(os.environ["NNI_OUTPUT_DIR"]).parents[3] / "trials" / "Ab3dE" / "output" / "tensorboard"

    @property
    def scalars(self) -> dict[str, list[tuple[int, float]]]:
        """What that button shows of it."""
        return read_scalars(self.events)

    @property
    def report(self) -> TrialReport:
        """The one final report, as the tuner reads it."""
        (result,) = self.final
        return TrialReport.from_nni(json.loads(json.dumps(result)), None, None)


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trial:
    """The trial that the commands of a test are, as NNI would start them."""
    trial = Trial()
    monkeypatch.setenv("NNI_TRIAL_JOB_ID", "Ab3dE")
    monkeypatch.setenv("NNI_OUTPUT_DIR", str(tmp_path / "expid" / "environments" / "local-env" / "trials" / "Ab3dE"))
    channel = partial(TrialChannel, lambda *_: None)
    monkeypatch.setattr(TrialChannel, "receive", lambda: channel(trial.parameter_id, trial.parameters))
    monkeypatch.setattr(
        TrialChannel, "report_intermediate_result", lambda _, metrics: trial.intermediate.append(metrics)
    )
    monkeypatch.setattr(TrialChannel, "report_final_result", lambda _, result: trial.final.append(result))
    return trial


@dataclass(frozen=True)
class Trained:
    """A data set ``small`` in its root, and the output of one training on its split 1."""

    data_root: Path
    output: Path

    @property
    def dataset(self) -> Path:
        return self.data_root / "small"

    @property
    def checkpoint(self) -> Path:
        return self.output / "model.pt"

    @property
    def metrics(self) -> dict[str, Any]:
        return json.loads((self.output / "metrics.json").read_text())


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """One training of a few epochs: every second frame is read, and ``class_0`` is background."""
    root = tmp_path_factory.mktemp("trained")
    write_dataset(root / "data" / "small", train=12, test=4)
    options = ("--data-root", str(root / "data"), "--dataset", "small", "--split", "1")
    reading = ("--sample-rate", "2", "--background", "class_0")
    words = (*options, *reading, *TINY, "--structure", "hand", "--epochs", "5", "--output", str(root / "out"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["train", *words])
        train.main()
    return Trained(root / "data", root / "out")
