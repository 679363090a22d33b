"""An NNI experiment of ours on this machine: its state, its processes, and the nnictl that starts and stops it."""

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

MANAGER_CHANGES = [Path(__file__).with_name(name) for name in ("listen_locally.js", "patient_start.js")]
"""What NNI's manager, a node process, loads before its own code."""

FULL = 2**20
"""Bytes: a disk with less room than that may be why anything ended."""

NNICTL = """
from nni.experiment import launcher
from nni.tools.nnictl.nnictl import parse_args

launcher._check_rest_server.__defaults__ = (30, None)
parse_args()
"""
"""nnictl, which gives NNI's manager half a minute to start: of itself 3 seconds, too few on a busy machine."""


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
        if not self.is_managed():  # somebody else may have the port by now
            return "STOPPED" if registered(self.id).stopped else "GONE"
        try:
            return str(self._ask("/check-status")["status"])
        except NO_ANSWER:
            return "BUSY"

    def error(self) -> str | None:
        """What is known to have gone wrong: a full disk, or what NNI's logs say; None if nothing is."""
        folder = self._folder()
        if shutil.disk_usage(folder).free < FULL:
            return f"{folder}: no space left on the disk; make room, then resume the experiment"
        return why_ended(folder)

    def port_serves(self) -> str | None:
        """The id of the experiment that its port answers for; None where there is no answer."""
        try:
            return str(self._ask("/experiment")["id"])
        except (*NO_ANSWER, LookupError, TypeError):
            return None

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
        return self._folder() / TRIALS_FOLDER

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
        return get_json(f"http://127.0.0.1:{self.port}{REST_PATH}{path}")


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
        BadInput: nnictl refuses, or the port belongs to something else; nothing of this experiment runs then.
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
    """Refuse a port that somebody listens on, as nnictl would, but before it has made a folder for the experiment."""
    if not 0 < port < 2**16:
        raise BadInput(f"a port is a number from 1 to 65535, not {port}")
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise BadInput(f"port {port} is in use; choose another --port")


@contextlib.contextmanager
def _no_other_start() -> Iterator[None]:
    """Wait until nobody else of this user starts an experiment: nnictl finds a port free seconds before NNI takes it,
    and then takes whoever answers there for the manager that it has started. The system lets go after any kill.
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
    """Run nnictl of this Python with a web server for this user only, and time for its tuner (``MANAGER_CHANGES``).

    Returns:
        Its exit code, and what it printed.
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
    return done.returncode, re.sub(r"\x1b\[\d*m", "", done.stdout + done.stderr)


def say(line: str) -> None:
    """Tell the user something, if there still is a terminal: after SIGHUP there is none, and much left to do."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)
