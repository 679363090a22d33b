"""A tuner's own records: one JSON line per event, append-only, beside its state.

Export and analysis read these, because NNI's database can pair trials and parameters wrongly.
"""

from __future__ import annotations

import json
import os
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from common.read_file import require_file

RECORDS_FILE = "records.jsonl"


class Records:
    """Appends events to ``records.jsonl`` in a folder; each is on disk when ``write`` returns."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / RECORDS_FILE
        self._end_broken_line()

    def write(self, event: str, **content: Any) -> None:
        """Append one event with the time (seconds since 1970).

        Raises:
            OSError: it cannot be written, as on a full disk; the error names the file, which is unchanged.
        """
        line = json.dumps({"event": event, "time": round(time.time(), 3), **content})
        before = self.path.stat().st_size if self.path.exists() else 0
        try:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(line + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as fault:
            with suppress(OSError):
                os.truncate(self.path, before)  # half a line would spoil the next event
            raise OSError(fault.errno, fault.strerror, str(self.path)) from fault

    def _end_broken_line(self) -> None:
        """A process killed while writing leaves half a line: the next event must not continue it."""
        if self.path.exists() and self.path.stat().st_size:
            with open(self.path, "rb+") as file:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")


def read_records(path: Path) -> list[dict[str, Any]]:
    """All events of a records file, in order. Damaged lines are skipped, with one warning that counts them.

    A kill leaves a truncated line; the last line may also be one that is just being written.

    Raises:
        BadInput: there is no such file.
    """
    require_file(path)
    *lines, last = path.read_text(encoding="utf-8", errors="replace").split("\n")
    events = [_event(line) for line in lines if line]
    damaged = events.count(None)
    if damaged:
        warnings.warn(f"{path}: {damaged} damaged line(s) are left out", stacklevel=2)
    return [event for event in [*events, _event(last)] if event is not None]


def _event(line: str) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None
