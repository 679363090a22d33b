"""An NNI experiment of ours on this machine: its state, its processes, and the nnictl that starts and stops it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from analysis.history import History, find_experiment, read_history
from analysis.nni_logs import why_ended
from analysis.nni_register import read_register, registered
from nas_space.bad_input import BadInput
from nas_space.local_http import NO_ANSWER, get_json
from strategies.nni_manager import UNFINISHED

LISTEN_LOCALLY = Path(__file__).with_name("listen_locally.js")

FULL = 2**20
"""Bytes: a disk with less room than that may be why anything ended."""


class Trials(NamedTuple):
    """How many trials wait or run, how many have ended, and how many of those well."""

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
        # Processes are stopped by the id: an empty one would be that of every process.
        whole = type(self.port) is type(self.manager) is int and 0 <= self.manager < 2**31
        if not whole or not isinstance(self.id, str) or not re.fullmatch(r"\w+", self.id):
            raise BadInput(f"not an NNI experiment: {self.id!r}, port {self.port!r}, process {self.manager!r}")

    @classmethod
    def marked(cls, mark: str) -> Experiment | None:
        """The experiment with that mark in its name, running or not; None if this user has none."""
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
        """What NNI's manager says of itself: RUNNING, DONE, ERROR, ...; if it has ended: STOPPED by nnictl, or GONE."""
        try:
            return str(self._ask("/check-status")["status"])
        except NO_ANSWER:
            if self.is_managed():
                return "BUSY"
            return "STOPPED" if registered(self.id).stopped else "GONE"

    def error(self) -> str | None:
        """What is known to have gone wrong: a full disk, or what NNI's logs say; None if nothing is."""
        folder = self._folder()
        if shutil.disk_usage(folder).free < FULL:
            return f"{folder}: no space left on the disk; make room, then resume the experiment"
        return why_ended(folder)

    def trials(self) -> Trials | None:
        """How its trials stand; None where the manager does not answer."""
        try:
            jobs = self._ask("/trial-jobs")
            states = [job["status"] for job in jobs]
        except NO_ANSWER:
            return None
        unfinished = sum(state in UNFINISHED for state in states)
        return Trials(unfinished, len(states) - unfinished, states.count("SUCCEEDED"), jobs)

    def trials_folder(self) -> Path:
        """Where the trials print to: TRIAL/trial.stderr."""
        return self._folder() / "environments" / "local-env" / "trials"

    def history(self) -> History | None:
        """The records of its tuner, as far as they go; None before it has any."""
        try:
            return read_history(find_experiment(self.id))
        except BadInput:
            return None

    def trials_done(self) -> int:
        """How many trials its tuner has results of; 0 for a tuner of NNI's own."""
        history = self.history()
        return 0 if history is None else len(history.evaluations)

    def has_tuner(self) -> bool:
        """Whether a process of the tuner lives; NNI itself does not notice its death."""
        return any("NNI_TUNER_COMMAND_CHANNEL" in environment for environment in self._processes().values())

    def stop(self) -> None:
        """Stop manager, tuner and trials, and wait until they have ended.

        A manager that is killed leaves its tuner and its trials behind: they would meet those of a resume.
        """
        if self.is_managed():
            nnictl("stop", self.id)
            try:
                psutil.Process(self.manager).wait(timeout=60)
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
        """End manager, tuner and trials at once, by process id, and say which."""
        ended: list[psutil.Process] = []
        with contextlib.suppress(psutil.Error):
            if self.is_managed():
                manager = psutil.Process(self.manager)
                # With what it started besides tuner and trials. Before them, as it would start others in their place.
                ended = [manager, *manager.children(recursive=True)]
        names = [_end(process) for process in ended]
        rest = [process for process in self._processes() if process not in ended]
        names += [_end(process) for process in rest]
        psutil.wait_procs([*ended, *rest], timeout=10)
        if any(names):
            say(f"{self.id}: ended by process id: {', '.join(filter(None, names))}")

    def is_managed(self) -> bool:
        """Whether NNI's manager of this experiment lives."""
        try:
            return self.id in psutil.Process(self.manager).cmdline()
        except psutil.Error:
            return False

    def _processes(self) -> dict[psutil.Process, dict[str, str]]:
        """The processes of tuner and trials, known by the environment that NNI gives them, with that environment."""
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
        return get_json(f"http://127.0.0.1:{self.port}/api/v1/nni{path}")


def _end(process: psutil.Process) -> str | None:
    """End a process; its id and name, or None where it has gone already."""
    try:
        name = f"{process.pid} ({process.name()})"
        process.kill()
        return name
    except psutil.Error:
        return None


def start(action: list[str], port: int) -> Experiment:
    """Let nnictl start an experiment: ``action`` is ``create --config FILE`` or ``resume ID``.

    Raises:
        BadInput: nnictl refuses; the message is its own.
    """
    output = nnictl(*action, "--port", str(port))
    found = re.search(r"Experiment ID:\s*(\w+)", output)
    if found is None:
        errors = [line for line in output.splitlines() if "ERROR" in line or "Error" in line]
        raise BadInput(
            f"nnictl {' '.join(action)} did not start an experiment: {' '.join(errors[-1:]) or output.strip()}"
        )
    return Experiment.of_id(found[1])


def nnictl(*arguments: str) -> str:
    """Run nnictl of this Python with a web server that listens on this machine only; returns what it printed."""
    folder = Path(sys.executable).parent
    environment = {
        **os.environ,
        # The trials' python3 must be this one.
        "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}",
        "NODE_OPTIONS": f'{os.environ.get("NODE_OPTIONS", "")} --require "{LISTEN_LOCALLY}"'.strip(),
    }
    command = [str(folder / "nnictl"), *arguments]
    # In a session of its own, Ctrl-C on the terminal reaches us, who stop the experiment, and not nnictl.
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    return re.sub(r"\x1b\[\d*m", "", done.stdout + done.stderr)


def say(line: str) -> None:
    """Tell the user something, if there still is a terminal: after SIGHUP there is none, and much left to do."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)
