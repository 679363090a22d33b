"""Which trials need not be finished: those that are below the median of the others after their first epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from nas_space.bad_input import BadInput

NEEDED = 4
"""Trials that are judged before any is stopped: a median of fewer says nothing."""


class EarlyStop:
    """Tells each new trial what it must have reached after ``epoch`` epochs, so that it can stop by itself.

    NNI's own assessors kill a trial, which leaves a tuner without a result and without a reason. A trial that stops by
    itself reports what it has reached, which is low, and its structure counts with that.

    Args:
        epoch: after which a trial is judged; None lets every trial finish.

    Raises:
        BadInput: no such epoch.
    """

    def __init__(self, epoch: int | None) -> None:
        if epoch is not None and (type(epoch) is not int or epoch < 1):
            raise BadInput(f"stop_epoch must be a whole number of at least 1, or left out, not {epoch!r}")
        self.epoch = epoch
        self._reached: dict[Any, float] = {}

    def note(self, trial: Any, epochs: Sequence[Mapping[str, float]]) -> None:
        """Note the epochs of a trial, by a name of it: noting it again, as after a resume, changes nothing."""
        if self.epoch is not None and len(epochs) >= self.epoch:
            self._reached[trial] = max(epoch["default"] for epoch in epochs[: self.epoch])

    def hints(self) -> dict[str, float]:
        """What a trial is told: ``_stop_epoch``, and ``_stop_below`` which its best epoch by then must not be."""
        if self.epoch is None or len(self._reached) < NEEDED:
            return {}
        return {"_stop_epoch": self.epoch, "_stop_below": round(median(self._reached.values()), 4)}
