"""An NNI experiment of ours on this machine: state, processes, and nnictl, which starts and stops it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from analysis.history import History, find_experiment, read_history
from common.bad_input import BadInput
from common.local_http import NO_ANSWER, get_json
from nni_api.logs import why_ended
from nni_api.manager import REST_PATH, UNFINISHED
from nni_api.register import TRIALS_FOLDER, read_register, registered

MANAGER_CHANGES = [
    Path(__file__).with_name(name) for name in ("listen_locally.js", "patient_start.js", "quick_start.js")
]
"""Loaded by NNI's manager, a node process, before its own code."""

FULL = 2**20
"""Bytes: a disk with less free space counts as full."""

NNICTL = f"""
import sys

sys.path.append({str(Path(__file__).parent.parent)!r})
from nni_api.quick_nni import import_nni

import_nni()
from nni.experiment import launcher
from nni.tools.nnictl.nnictl import parse_args

launcher._check_rest_server.__defaults__ = (30, None)
parse_args()
"""
"""nnictl, importing NNI quickly, and with a timeout of half a minute for NNI's manager; the default of 3 seconds is too
short on a busy machine."""


class Trials(NamedTuple):
    """Number of trials that wait or run, that have ended, and that have succeeded."""

    unfinished: int
    ended: int
    succeeded: int
    jobs: Sequence[Mapping[str, Any]] = ()
    """Each as NNI lists it: trialJobId, status, startTime and endTime (in milliseconds since 1970), ..."""


@dataclass
class Experiment:
    """An NNI experiment of ours on this machine."""

    id: str
    port: int
    manager: int
    """Process id of NNI's manager."""

    def __post_init__(self) -> None:
        # Processes are stopped by the id; an empty one would match every process.
        whole = type(self.port) is type(self.manager) is int and 0 <= self.manager < 2**31
        if not whole or not isinstance(self.id, str) or not re.fullmatch(r"\w+", self.id):
            raise BadInput(f"not an NNI experiment: {self.id!r}, port {self.port!r}, process {self.manager!r}")

    @classmethod
    def marked(cls, mark: str) -> Experiment | None:
        """The experiment of this user with that mark in its name, running or not; None if there is none."""
        for known in read_register().values():
            if mark in known.name:
                return cls(known.id, known.port, known.manager)
        return None

    @classmethod
    def of_id(cls, id: str) -> Experiment:
        """The experiment of that id, running or not. Raises BadInput where this user has none."""
        known = registered(id)
        return cls(known.id, known.port, known.manager)

    def status(self) -> str:
        """The status of NNI's manager: RUNNING, DONE, ERROR, ...; if it has ended: STOPPED by nnictl, or GONE."""
        if not self.is_managed():  # the port may belong to another process by now
            return "STOPPED" if registered(self.id).stopped else "GONE"
        try:
            return str(self._ask("/check-status")["status"])
        except NO_ANSWER:
            return "BUSY"

    def error(self) -> str | None:
        """The known cause of a failure: a full disk, or an error in NNI's logs; None: unknown."""
        folder = self._folder()
        if shutil.disk_usage(folder).free < FULL:
            return f"{folder}: no space left on the disk; make room, then resume the experiment"
        return why_ended(folder)

    def port_serves(self) -> str | None:
        """The id of the experiment that its port serves; None if there is no answer."""
        try:
            return str(self._ask("/experiment")["id"])
        except (*NO_ANSWER, LookupError, TypeError):
            return None

    def trials(self) -> Trials | None:
        """The state of its trials; None if the manager does not answer."""
        try:
            jobs = self._ask("/trial-jobs")
            states = [job["status"] for job in jobs]
        except NO_ANSWER:
            return None
        unfinished = sum(state in UNFINISHED for state in states)
        return Trials(unfinished, len(states) - unfinished, states.count("SUCCEEDED"), jobs)

    def trials_folder(self) -> Path:
        """The folder of the trials' output: TRIAL/trial.stderr."""
        return self._folder() / TRIALS_FOLDER

    def history(self) -> History | None:
        """The records of its tuner so far; None before there are any."""
        try:
            return read_history(find_experiment(self.id))
        except BadInput:
            return None

    def trials_done(self) -> int:
        """Number of results in its tuner's records; 0 for a tuner of NNI's own."""
        history = self.history()
        return 0 if history is None else len(history.evaluations)

    def has_tuner(self) -> bool:
        """Whether the tuner's process is alive, which NNI itself does not check."""
        return any("NNI_TUNER_COMMAND_CHANNEL" in environment for environment in self._processes().values())

    def stop(self) -> None:
        """Stop manager, tuner and trials, and wait until they have ended.

        A killed manager leaves its tuner and its trials behind, which would interfere with those of a resume.
        """
        if self.is_managed():
            try:
                # This is all that nnictl stop does, but only for what NNI's register says is running. On a machine with
                # the same home folder, any nnictl marks it as stopped there, as it does not see the process.
                manager = psutil.Process(self.manager)
                manager.terminate()
                manager.wait(timeout=60)
            except psutil.NoSuchProcess:
                pass
            except psutil.TimeoutExpired:
                self.kill()
        _, orphans = psutil.wait_procs(list(self._processes()), timeout=5)
        for orphan in orphans:
            orphan.kill()
        psutil.wait_procs(orphans, timeout=10)
        if orphans:
            say(f"{self.id}: ended {len(orphans)} processes that NNI had left behind")

    def kill(self) -> None:
        """Kill manager, tuner and trials by process id, and print which."""
        ended: list[psutil.Process] = []
        with contextlib.suppress(psutil.Error):
            if self.is_managed():
                manager = psutil.Process(self.manager)
                # With its other children. Before tuner and trials, as it would start others in their place.
                ended = [manager, *manager.children(recursive=True)]
        names = [_end(process) for process in ended]
        rest = [process for process in self._processes() if process not in ended]
        names += [_end(process) for process in rest]
        psutil.wait_procs([*ended, *rest], timeout=10)
        if any(names):
            say(f"{self.id}: ended by process id: {', '.join(filter(None, names))}")

    def is_managed(self) -> bool:
        """Whether NNI's manager of this experiment is alive."""
        try:
            return self.id in psutil.Process(self.manager).cmdline()
        except psutil.Error:
            return False

    def _processes(self) -> dict[psutil.Process, dict[str, str]]:
        """The processes of tuner and trials, recognized by their environment, with that environment."""
        found = {}
        for process in psutil.process_iter():
            try:
                environment = process.environ()
            except psutil.Error:  # of another user, or it has just ended
                continue
            tuner_of = Path(environment.get("NNI_CHECKPOINT_DIRECTORY", "")).parent.name
            if self.id in (environment.get("NNI_EXP_ID"), tuner_of):
                found[process] = environment
        return found

    def _folder(self) -> Path:
        return find_experiment(self.id).parent

    def _ask(self, path: str) -> Any:
        return get_json(f"http://127.0.0.1:{self.port}{REST_PATH}{path}")


def _end(process: psutil.Process) -> str | None:
    """Kill a process; returns its id and name, or None where it is gone already."""
    try:
        name = f"{process.pid} ({process.name()})"
        process.kill()
        return name
    except psutil.Error:
        return None


def start(action: list[str], port: int) -> Experiment:
    """Start an experiment with nnictl: ``action`` is ``create --config FILE`` or ``resume ID``.

    Raises:
        BadInput: nnictl refuses, or the port belongs to another process; nothing of this experiment runs then.
    """
    refused = f"nnictl {' '.join(action)} did not start an experiment"
    with _no_other_start():
        _require_idle(port)
        code, output = nnictl(*action, "--port", str(port))
        found = re.search(r"Experiment ID:\s*(\w+)", output)
        if code or found is None:
            errors = [line for line in output.splitlines() if "ERROR" in line or "Error" in line]
            if found is not None and found[1] in read_register():
                Experiment.of_id(found[1]).stop()
            raise BadInput(f"{refused}: {' '.join(errors[-1:]) or output.strip()}")
        experiment = Experiment.of_id(found[1])
        serves = experiment.port_serves()
    if serves not in (experiment.id, None):
        experiment.stop()
        raise BadInput(f"{refused}: port {port} serves experiment {serves}; choose another --port")
    return experiment


def _require_idle(port: int) -> None:
    """Refuse a port in use, as nnictl would, but before it creates a folder for the experiment."""
    if not 0 < port < 2**16:
        raise BadInput(f"a port is a number from 1 to 65535, not {port}")
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise BadInput(f"port {port} is in use; choose another --port")


@contextlib.contextmanager
def _no_other_start() -> Iterator[None]:
    """Wait until no other process of this user is starting an experiment: nnictl checks a port seconds before NNI binds
    it, and then takes whatever answers there for its own manager. The system releases the lock after any kill.
    """
    folder = Path.home() / "nni-experiments"
    folder.mkdir(exist_ok=True)
    with open(folder / ".starting.lock", "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another launch or pipeline, which is starting its experiment")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def nnictl(*arguments: str) -> tuple[int, str]:
    """Run nnictl of this Python, with the changes of ``MANAGER_CHANGES``.

    Returns:
        Its exit code and output.
    """
    folder = Path(sys.executable).parent
    changes = [f'--require "{path}"' for path in MANAGER_CHANGES]
    environment = {
        **os.environ,
        # The trials' python3 must be this one.
        "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}",
        "NODE_OPTIONS": " ".join([os.environ.get("NODE_OPTIONS", ""), *changes]).strip(),
    }
    command = [sys.executable, "-c", NNICTL, *arguments]
    # In its own session: Ctrl-C on the terminal reaches only us, who stop the experiment, not nnictl.
    completed = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    return completed.returncode, re.sub(r"\x1b\[\d*m", "", completed.stdout + completed.stderr)


def say(line: str) -> None:
    """Print to stderr, if it still exists: after SIGHUP the terminal is gone, but cleaning up continues."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)
