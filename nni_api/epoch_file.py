"""How far the training of a trial is: a small file in the folder that NNI gives the trial, for those who watch."""

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
    """How far a training is."""

    done: int
    """Epochs that are trained."""
    of: int
    """Epochs of the whole training."""
    seconds: float | None
    """Of an epoch, since the training began or went on; None before one has ended."""
    written: float
    """When it was noted, in seconds since 1970."""


class EpochNotes:
    """Notes the epochs of one training in the folder of its trial; where NNI has not started it, nowhere."""

    def __init__(self) -> None:
        folder = os.environ.get("NNI_OUTPUT_DIR")
        self._path = Path(folder) / EPOCH_FILE if folder else None
        self._begun: tuple[int, float] | None = None

    def begin(self, done: int, of: int) -> None:
        """An epoch begins: the first one is noted, so that a training is seen before it ends."""
        if self._begun is None:
            self._begun = done, time.monotonic()
            self._note(done, of, None)

    def end(self, done: int, of: int) -> None:
        """An epoch has ended that ``begin`` was called for, or one after it."""
        assert self._begun is not None
        before, begun = self._begun
        self._note(done, of, round((time.monotonic() - begun) / (done - before), 3))

    def _note(self, done: int, of: int, seconds: float | None) -> None:
        if self._path is not None:
            with suppress(OSError):  # a full disk does not end a training for this: what must be written will tell
                write_json(self._path, {"epoch": done, "epochs": of, "seconds": seconds})


def read_epoch(folder: Path) -> Epoch | None:
    """How far the trial of a folder is; None before its training begins, and of a trial that does not tell."""
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
