"""Progress of a trial's training: a small file in the folder that NNI gives the trial, for whoever monitors it."""

from __future__ import annotations

import math
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from common.atomic_file import write_json
from common.bad_input import BadInput
from common.read_file import read_json

EPOCH_FILE = "epoch.json"


class Epoch(NamedTuple):
    """Progress of a training."""

    done: int
    """Completed epochs."""
    of: int
    """Epochs of the whole training."""
    seconds: float | None
    """Per epoch, since the training started or resumed; None before one has ended."""
    written: float
    """When it was written, in seconds since 1970."""


class EpochNotes:
    """Writes the epochs of one training into the folder of its trial; does nothing outside NNI."""

    def __init__(self) -> None:
        folder = os.environ.get("NNI_OUTPUT_DIR")
        self._path = Path(folder) / EPOCH_FILE if folder else None
        self._first: tuple[int, float] | None = None

    def begin(self, done: int, of: int) -> None:
        """An epoch begins; only the first one is written, so that a training shows before its first epoch ends."""
        if self._first is None:
            self._first = done, time.monotonic()
            self._note(done, of, None)

    def end(self, done: int, of: int) -> None:
        """An epoch has ended; ``begin`` was called for it or for an earlier one."""
        assert self._first is not None
        before, started = self._first
        self._note(done, of, round((time.monotonic() - started) / (done - before), 3))

    def _note(self, done: int, of: int, seconds: float | None) -> None:
        if self._path is not None:
            with suppress(OSError):  # a full disk does not end a training here, but when it writes its results
                write_json(self._path, {"epoch": done, "epochs": of, "seconds": seconds})


def read_epoch(folder: Path) -> Epoch | None:
    """Progress of the trial of a folder; None before its training starts, or if the trial does not write it."""
    path = folder / EPOCH_FILE
    try:
        written = path.stat().st_mtime
        content = read_json(path)
        done, of, seconds = (content[name] for name in ("epoch", "epochs", "seconds"))
        known = type(done) is type(of) is int and 0 <= done <= of
        if not known or not (seconds is None or 0 <= seconds < math.inf):
            return None
        return Epoch(done, of, seconds, written)
    except (OSError, BadInput, LookupError, TypeError):
        return None
