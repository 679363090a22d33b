"""NNI's register of this user's experiments, ``~/nni-experiments/.experiment``: folder, state and manager of each.

It is read without NNI, whose own reader can run code that is in the register, takes a damaged register for an empty
one, and hangs on its lock where it may not write.
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
"""Folder of the trials of this machine, within that of their experiment."""

ATTEMPTS = 5
"""NNI writes the register in place: while it does, the register looks damaged."""
PAUSE_SECONDS = 0.2


@dataclass(frozen=True)
class Registered:
    """An entry of the register."""

    id: str
    name: str
    folder: Path
    """With its records, log and database."""
    port: int
    """Of its web page; 0 after it was stopped."""
    manager: int
    """Process id of NNI's manager; 0 after it was stopped."""
    stopped: bool
    """Whether anybody stopped it."""

    @classmethod
    def of(cls, id: str, known: Any) -> Registered:
        """From the register's JSON content. Raises ValueError if it describes no experiment."""
        name, folder = str(known.get("experimentName") or ""), known["logDir"]
        port, manager = known.get("port") or 0, known.get("pid") or 0
        if not isinstance(folder, str) or not type(port) is type(manager) is int:
            raise ValueError("no experiment")
        return cls(id, name, Path(folder) / id, port, manager, known.get("status") == "STOPPED")

    def settings(self) -> dict[str, Any]:
        """Its configuration, with which it would be resumed.

        NNI's database can pair trials with the wrong parameters, but the configuration is reliable.

        Raises:
            BadInput: the database is missing or damaged.
        """
        return self._profile("params", lambda text: dict(json.loads(text)))

    def seconds_run(self) -> float:
        """How long it has run according to NNI, without the time during which it was stopped.

        Raises:
            BadInput: the database is missing or damaged.
        """
        return self._profile("execDuration", float)

    def _profile(self, column: str, read: Callable[[Any], Any]) -> Any:
        path = self.folder / "db" / "nni.sqlite"
        query = f"SELECT {column} FROM ExperimentProfile WHERE id = ? ORDER BY revision DESC"
        try:
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
                return read(database.execute(query, (self.id,)).fetchone()[0])
        except (sqlite3.Error, TypeError, ValueError):
            raise BadInput(f"{path}: damaged; experiment {self.id} cannot be resumed, start a new one") from None


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
        BadInput: NNI knows no such experiment, or the register is damaged.
    """
    known = read_register()
    if experiment not in known:
        raise BadInput(f"unknown experiment {experiment!r}: 'nnictl experiment list --all' shows those of this user")
    return known[experiment]
