"""NNI's register of this user's experiments, ``~/nni-experiments/.experiment``: where each lies, and who runs it.

It is read without NNI, whose own reader runs code that a register can hold, takes a damaged one for an empty one, and
waits for ever for its lock where it may not write.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.bad_input import BadInput
from common.read_file import read_json

TRIALS_FOLDER = Path("environments", "local-env", "trials")
"""Of the trials on this machine, in the folder of their experiment."""

ATTEMPTS = 5
"""NNI writes the register in place, so that one that is read at that moment seems damaged."""
PAUSE_SECONDS = 0.2


@dataclass(frozen=True)
class Registered:
    """What NNI knows of an experiment."""

    id: str
    name: str
    folder: Path
    """Where its records, its log and its database lie."""
    port: int
    """Of its web page; 0 once it was stopped."""
    manager: int
    """Process id of NNI's manager; 0 once it was stopped."""
    stopped: bool
    """Whether it was stopped, by whomever."""

    @classmethod
    def of(cls, id: str, known: Any) -> Registered:
        """From an entry of the register. Raises ValueError where it is none."""
        name, folder = str(known.get("experimentName") or ""), known["logDir"]
        port, manager = known.get("port") or 0, known.get("pid") or 0
        if not isinstance(folder, str) or not type(port) is type(manager) is int:
            raise ValueError("no experiment")
        return cls(id, name, Path(folder) / id, port, manager, known.get("status") == "STOPPED")

    def settings(self) -> dict[str, Any]:
        """What it was told to run, and would be resumed with.

        NNI's database can pair trials and parameters wrongly, but keeps this as it was given.

        Raises:
            BadInput: the database is gone or damaged.
        """
        return self._profile("params", lambda text: dict(json.loads(text)))

    def seconds_run(self) -> float:
        """How long it has run, as NNI counts it: the time in which it was stopped is left out.

        Raises:
            BadInput: the database is gone or damaged.
        """
        return self._profile("execDuration", float)

    def _profile(self, column: str, read: Callable[[Any], Any]) -> Any:
        path = self.folder / "db" / "nni.sqlite"
        query = f"SELECT {column} FROM ExperimentProfile WHERE id = ? ORDER BY revision DESC"
        try:
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
                return read(database.execute(query, (self.id,)).fetchone()[0])
        except (sqlite3.Error, TypeError, ValueError):
            raise BadInput(f"{path}: damaged; experiment {self.id} cannot be resumed, start it anew") from None


def read_register() -> dict[str, Registered]:
    """The experiments of this user, running, stopped or finished, by id.

    Raises:
        BadInput: the register is damaged.
    """
    path = Path.home() / "nni-experiments" / ".experiment"
    if not path.exists():
        return {}
    for left in reversed(range(ATTEMPTS)):
        try:
            content = read_json(path)
            break
        except BadInput:
            if not left:
                raise
            time.sleep(PAUSE_SECONDS)
    try:
        return {id: Registered.of(id, known) for id, known in content.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadInput(f"{path}: not NNI's register of experiments, or damaged; restore it, or remove it") from None


def registered(experiment: str) -> Registered:
    """An experiment of this user, running, stopped or finished.

    Raises:
        BadInput: NNI knows none of that id, or the register is damaged.
    """
    known = read_register()
    if experiment not in known:
        raise BadInput(f"unknown experiment {experiment!r}: 'nnictl experiment list --all' shows those of this user")
    return known[experiment]
