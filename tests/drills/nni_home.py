"""Real NNI experiments in a home folder of their own, and their processes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from analysis.history import History, read_history

REPOSITORY = Path(__file__).parent.parent.parent


def launch(*arguments: str | Path, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Start ``experiments.launch``; NNI keeps its experiments in the home folder that the environment names."""
    command = [sys.executable, "-m", "experiments.launch", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def only_experiment(home: Path) -> str:
    """The id of the one experiment of a home folder. Raises StopIteration where there is none."""
    folders = (path for path in (home / "nni-experiments").iterdir() if path.is_dir())
    return next(path.name for path in folders if path.name[0] not in "._")


def history_of(home: Path, experiment: str) -> History:
    """What the tuner of an experiment has recorded."""
    return read_history(home / "nni-experiments" / experiment / "checkpoint")


def wait_for(condition: Callable[[], bool], seconds: float = 300) -> None:
    """Return as soon as the condition holds. Raises TimeoutError if it does not in time."""
    last_chance = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > last_chance:
            raise TimeoutError(f"it did not happen within {seconds} seconds")
        time.sleep(0.1)


def processes_of(home: Path) -> list[psutil.Process]:
    """The processes, living ones only, that have this home folder."""
    return [process for process in psutil.process_iter() if _home_of(process) == str(home)]


def _home_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get("HOME") if process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None


Kind = Callable[[list[str]], bool]
"""Whether a process with that command line is of some kind."""


def is_trial(command: list[str]) -> bool:
    """A trial of ours: not the shell that NNI runs it in."""
    return any("_trial" in word for word in command[1:]) and "python" in command[0]


def is_tuner(command: list[str]) -> bool:
    """The process of the tuner."""
    return "--exp_params" in command and "python" in command[0]


def is_manager(command: list[str]) -> bool:
    """NNI's manager, a node process."""
    return "--experiments-directory" in command


def find(home: Path, *kinds: Kind) -> list[psutil.Process]:
    """The processes of a home folder that are of one of these kinds."""
    return [process for process in processes_of(home) if any(kind(_command_of(process)) for kind in kinds)]


def _command_of(process: psutil.Process) -> list[str]:
    """The command line of a process; one of an empty word if it has just ended."""
    try:
        return process.cmdline() or [""]
    except psutil.Error:
        return [""]
