"""The folder of a run of the pipeline: what was asked for, how far it is, and who is at work there."""

from __future__ import annotations

import fcntl
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from common.atomic_file import write_json
from common.bad_input import BadInput
from common.read_file import read_json
from experiments.nni_experiment import Experiment
from experiments.plan import DIFFERENTIABLE, search_of_run


class Run:
    """A run's folder: what was asked for, and how far it is (pipeline.json).

    Args:
        settings: what is asked for now; without a ``global_search``, the run's own, or else ``default``.

    Raises:
        BadInput: the run was started with other settings, or its files are damaged.
    """

    def __init__(self, folder: Path, settings: dict[str, Any], default: str = DIFFERENTIABLE) -> None:
        self.folder = folder
        self._path = folder / "pipeline.json"
        search = settings.get("global_search") or default
        self._state: dict[str, Any] = {"settings": {**settings, "global_search": search}, "steps": {}}
        if self._path.exists():
            former = search_of_run(folder) or default
            try:
                self._state = read_json(self._path)
                known = self._state["settings"]
                # Runs from before there was a choice have not noted it.
                if known.setdefault("global_search", "global") == "global":
                    known["global_search"] = former
                if settings.get("global_search") is None:
                    settings = {**settings, "global_search": known["global_search"]}
                other = [name for name in settings if self._state["settings"].get(name) != settings[name]]
                for known in self._state["steps"].values():
                    _check_step(known)
            except (ValueError, KeyError, TypeError, AttributeError):
                raise BadInput(f"{self._path}: damaged; choose another --name") from None
            if other:
                raise BadInput(f"{folder}: was started with other settings ({', '.join(other)}); choose another --name")

    @property
    def global_search(self) -> str:
        """Which global search it makes."""
        return str(self._state["settings"]["global_search"])

    @property
    def begun(self) -> bool:
        """Whether a step has begun."""
        return bool(self._state["steps"])

    def step(self, name: str) -> dict[str, Any]:
        """What is known of a step: its experiment, whether it is done, what it cost."""
        return dict(self._state["steps"].get(name, {}))

    def steps(self) -> dict[str, dict[str, Any]]:
        """What is known of each step that has begun, by its name."""
        return {name: self.step(name) for name in self._state["steps"]}

    def note(self, name: str, **content: Any) -> None:
        """Note something of a step, on disk at once."""
        self._state["steps"][name] = {**self.step(name), **content}
        write_json(self._path, self._state)

    def forget(self, name: str) -> None:
        """Let a step begin anew."""
        self._state["steps"].pop(name)
        write_json(self._path, self._state)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a run's folder, so that a second pipeline of the same name is refused. The system lets go after any kill."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "a+") as file:
        file.seek(0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = f"{folder}: another pipeline (process {file.read()}) is at work there"
            raise BadInput(f"{holder}; wait for its end, or choose another --name") from None
        file.truncate()
        with suppress(OSError):  # on a full disk, a second pipeline is told a process less
            os.write(file.fileno(), str(os.getpid()).encode())
        yield


def _check_step(known: dict[str, Any]) -> None:
    """Raise KeyError, TypeError or ValueError for a step that is not as the pipeline notes it."""
    if known.get("done") or "experiment" in known:
        Experiment(**known["experiment"])
    if "mark" in known and not (re.fullmatch(r"[0-9a-f]{8}", known["mark"]) and math.isfinite(known["begun"])):
        raise ValueError("mark")
    if not math.isfinite(known.get("ended_early") or 0) or not math.isfinite(known.get("ran", 0)):
        raise ValueError("ended_early or ran")
    if "cost" in known:
        sum(known["cost"][name] for name in ("trials", "epochs", "hours"))
