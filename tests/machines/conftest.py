"""Other machines for tests: folders, which a fake ssh takes for hosts; and trials there that do as the test says."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from machines import ssh
from machines.code import FOLDER, Code, pack
from machines.machine_list import RemoteMachine
from machines.messages import Sender
from machines.slots import Slot
from machines.trial import TrialElsewhere
from nni_api.trial_channel import TrialChannel
from tests.conftest import REPOSITORY
from tests.machines import fake_ssh

MODULE = "trials.search_trial"
DATA = Path(__file__).with_name("data")
"""A data root: trials start where their data set is, however little of it."""
WORDS = ("--dataset", "small", "--split", "1", "--data-root", str(DATA))
CODE = Code(b"", "0123456789abcdef")
"""Code that hosts have already."""

METRIC = {"kind": "metric", "type": "PERIODICAL", "sequence": 0, "value": {}}


@dataclass
class Trial:
    """A trial as home sees it, and what NNI has of it."""

    output: Path
    parameters: dict[str, Any]
    number: int | None = 1
    metrics: list[tuple[str, int, dict[str, Any]]] = field(default_factory=list)

    @property
    def experiment(self) -> Path:
        return self.output.parents[3]

    def elsewhere(self, module: str = MODULE, words: tuple[object, ...] = WORDS, code: Code = CODE) -> TrialElsewhere:
        """The trial as it is sent to other machines."""

        def send(kind: str, sequence: int, value: dict[str, Any]) -> None:
            self.metrics.append((kind, sequence, value))

        channel = TrialChannel(send, self.number, self.parameters)
        return TrialElsewhere(module, list(map(str, words)), self.output, channel, code)

    def run_on(self, *machines: RemoteMachine, **how: Any) -> int:
        """Run it on machines, one after another until one does not lose it; returns its exit code."""
        trial = self.elsewhere(**how)
        for machine in machines[:-1]:
            with pytest.raises(ssh.NoConnection):
                trial.run(Slot(machine, 0))
        return trial.run(Slot(machines[-1], 0))


@dataclass(frozen=True)
class Hosts:
    """Machines that the fake ssh reaches."""

    folder: Path

    def add(self, name: str = "one", code: Path | None = None, **fields: Any) -> RemoteMachine:
        """A machine with its home folder.

        Args:
            code: what it has as ``CODE``, if anything.
        """
        (self.folder / name / FOLDER).mkdir(parents=True)
        if code is not None:
            (self.folder / name / FOLDER / CODE.name).symlink_to(code)
        return RemoteMachine(name, **{"python": sys.executable, **fields})

    def left(self, name: str = "one") -> list[Path]:
        """What trials have left in their folders there."""
        return list((self.folder / name / ".cache" / "global2local" / "work").glob("*/*"))


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hosts:
    """No hosts yet; the home folder here is the test's own."""
    folder, program = tmp_path / "hosts", tmp_path / "ssh"
    folder.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -IS {fake_ssh.__file__} {folder} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setattr(ssh, "PROGRAM", str(program))
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return Hosts(folder)


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trial:
    """The trial ``Ab3dE`` of the experiment ``expid``."""
    output = tmp_path / "expid" / "environments" / "local-env" / "trials" / "Ab3dE"
    output.mkdir(parents=True)
    for name, value in (("TRIAL_JOB_ID", "Ab3dE"), ("EXP_ID", "expid"), ("PLATFORM", "local"), ("OUTPUT_DIR", output)):
        monkeypatch.setenv(f"NNI_{name}", str(value))
    return Trial(output, {"s1l0": 4, "_uid": 7})


Write = Callable[[str], Path]


@pytest.fixture
def code_of(tmp_path: Path) -> Write:
    """``code_of(script)``: a folder of code that is ours but for its trial, which is the script, without PyTorch."""

    def write(script: str) -> Path:
        folder = tmp_path / "code"
        (folder / "trials").mkdir(parents=True, exist_ok=True)
        for room in ("common", "machines", "nni_api"):
            if not (folder / room).exists():
                (folder / room).symlink_to(REPOSITORY / room)
        (folder / "trials" / "__init__.py").touch()
        (folder / "trials" / "search_trial.py").write_text(f"{SCRIPT}\n{script}\n")
        return folder

    return write


SCRIPT = """
import json, os, signal, sys, time
from pathlib import Path
from common.atomic_file import announce, remove, write_text
from nni_api.trial_channel import TrialChannel

channel = TrialChannel.receive()
output = Path(os.environ["NNI_OUTPUT_DIR"])
experiment = output.parents[3]
"""
"""How the trial of ``code_of`` begins."""


Hostile = Callable[..., RemoteMachine]


@pytest.fixture
def hostile(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> Hostile:
    """``hostile(*sent)``: a machine that sends home whatever it likes: messages, or bytes as they are.

    Then it waits until home has gone; or with ``then``, it ends with that exit code.
    """

    def make(*sent: bytes | dict[str, Any], then: int | None = None) -> RemoteMachine:
        with open(hosts.folder / "sent", "wb") as file:
            sender = Sender(file)
            for each in sent:
                if isinstance(each, bytes):
                    file.write(each)
                else:
                    sender.send(
                        {name: value for name, value in each.items() if name != "payload"}, each.get("payload", b"")
                    )
        end = "exec cat > /dev/null" if then is None else f"exit {then}"
        program = hosts.folder / "hostile"
        program.write_text(f"#!/bin/sh\ncat {hosts.folder / 'sent'}\n{end}\n")
        program.chmod(0o755)
        monkeypatch.setattr(ssh, "PROGRAM", str(program))
        return RemoteMachine("one")

    return make


def packed(root: Path) -> Code:
    """The code of ``code_of`` as it is sent."""
    for room in ("common", "machines", "nni_api"):
        (root / room).unlink()
        shutil.copytree(REPOSITORY / room, root / room, ignore=shutil.ignore_patterns("__pycache__"))
    return pack(root)
