"""The folder of a pipeline run: its settings, its state, and the lock of its process."""

from __future__ import annotations

import fcntl
import math
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from analysis.history import find_experiment
from common.atomic_file import write_json
from common.bad_input import BadInput
from common.read_file import read_json
from experiments.nni_experiment import Experiment
from experiments.plan import DIFFERENTIABLE, search_of_run
from experiments.steps import PHASES, Phase

START_SECONDS = 20
"""How long nnictl may take to register an experiment."""


class Run:
    """Settings and state of a run (pipeline.json).

    Args:
        settings: the current ones; where ``global_search``, ``phases`` or ``multiple`` is None, the run's own counts,
            or else ``default``, all phases, and False.

    Raises:
        BadInput: the run was started with other settings, or its files are damaged.
    """

    def __init__(self, folder: Path, settings: dict[str, Any], default: str = DIFFERENTIABLE) -> None:
        self.folder = folder
        self._path = folder / "pipeline.json"
        chosen = {
            "global_search": settings.get("global_search") or default,
            "phases": settings.get("phases") or [*PHASES],
            "multiple": settings.get("multiple") or False,
        }
        self._state: dict[str, Any] = {"settings": {**settings, **chosen}, "steps": {}}
        if self._path.exists():
            former = search_of_run(folder) or default
            try:
                self._state = read_json(self._path)
                known = self._state["settings"]
                known.setdefault("multiple", False)  # as in runs of versions without it
                # Runs of versions without a choice lack it.
                if known.setdefault("global_search", "global") == "global":
                    known["global_search"] = former
                if not known["phases"] or not set(known["phases"]) <= set(PHASES):
                    raise ValueError("phases")
                settings = {**settings, **{name: known[name] for name in chosen if settings.get(name) is None}}
                other = [name for name in settings if self._state["settings"].get(name) != settings[name]]
                for known in self._state["steps"].values():
                    _check_step(known)
            except (ValueError, KeyError, TypeError, AttributeError):
                raise BadInput(f"{self._path}: damaged; choose another --name") from None
            if other:
                raise BadInput(f"{folder}: was started with other settings ({', '.join(other)}); choose another --name")

    @property
    def global_search(self) -> str:
        """Its global search."""
        return str(self._state["settings"]["global_search"])

    @property
    def phases(self) -> list[Phase]:
        """Its phases, in order."""
        return [phase for phase in PHASES if phase in self._state["settings"]["phases"]]

    @property
    def multiple(self) -> bool:
        """Whether its final trainings also keep the branches of the local search."""
        return bool(self._state["settings"]["multiple"])

    @property
    def started(self) -> bool:
        """Whether a step has started."""
        return bool(self._state["steps"])

    def step(self, name: str) -> dict[str, Any]:
        """The state of a step: its experiment, whether it is done, its cost."""
        return dict(self._state["steps"].get(name, {}))

    def steps(self) -> dict[str, dict[str, Any]]:
        """The state of each step that has started, by name."""
        return {name: self.step(name) for name in self._state["steps"]}

    def note(self, name: str, **content: Any) -> None:
        """Update the state of a step, on disk at once."""
        self._state["steps"][name] = {**self.step(name), **content}
        write_json(self._path, self._state)

    def forget(self, name: str) -> None:
        """Reset a step, so that it starts again."""
        self._state["steps"].pop(name)
        write_json(self._path, self._state)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a run's folder against a second pipeline of the same name. The system releases the lock after any kill."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "a+") as file:
        file.seek(0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = f"{folder}: another pipeline (process {file.read()}) is running there"
            raise BadInput(f"{other}; wait for its end, or choose another --name") from None
        file.truncate()
        with suppress(OSError):  # on a full disk, the message for a second pipeline lacks the process id
            os.write(file.fileno(), str(os.getpid()).encode())
        yield


def started_experiment(known: dict[str, Any]) -> Experiment | None:
    """The experiment of a step, from the state of the step; None if it has not started.

    Raises:
        BadInput: NNI does not know it. (nnictl might take its id for another experiment's.)
    """
    if "experiment" in known:
        find_experiment(known["experiment"]["id"])
        return Experiment(**known["experiment"])
    if "mark" not in known:
        return None
    # Killed while nnictl was starting it, which continues and takes some seconds.
    deadline = time.monotonic() + START_SECONDS  # the clock may have been set back
    while (found := Experiment.marked(known["mark"])) is None and time.monotonic() < deadline:
        if time.time() - known["begun"] > START_SECONDS:
            break
        time.sleep(1)
    return found


def _check_step(known: dict[str, Any]) -> None:
    """Raise KeyError, TypeError or ValueError for a damaged state of a step."""
    if known.get("done") or "experiment" in known:
        Experiment(**known["experiment"])
    if "mark" in known and not (re.fullmatch(r"[0-9a-f]{8}", known["mark"]) and math.isfinite(known["begun"])):
        raise ValueError("mark")
    if not math.isfinite(known.get("ended_early") or 0) or not math.isfinite(known.get("ran", 0)):
        raise ValueError("ended_early or ran")
    if "cost" in known:
        sum(known["cost"][name] for name in ("trials", "epochs", "hours"))
