"""A tuner's own records: one JSON line per event, appended and never changed, beside its state.

Export and analysis read these, because NNI's database can pair trials and parameters wrongly.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

RECORDS_FILE = "records.jsonl"


class Records:
    """Appends events to ``records.jsonl`` in a folder; each is on disk when ``write`` returns."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / RECORDS_FILE
        self._end_broken_line()

    def write(self, event: str, **content: Any) -> None:
        """Append one event with the time (seconds since 1970)."""
        line = json.dumps({"event": event, "time": round(time.time(), 3), **content})
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _end_broken_line(self) -> None:
        """A process that was killed while it wrote leaves half a line: the next event must not continue it."""
        if self.path.exists() and self.path.stat().st_size:
            with open(self.path, "rb+") as file:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")


def read_records(path: Path) -> list[dict[str, Any]]:
    """All events of a records file, in order. Lines that were cut short by a kill are left out."""
    events = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and "event" in event:
            events.append(event)
    return events
