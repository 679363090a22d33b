"""Why trials fail, and when so many fail that it is no fault of their structures."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

from common.local_http import NO_ANSWER
from nni_api.manager import NniManager

log = logging.getLogger(__name__)

FAILURES_TO_STOP = 5
"""So many failures before the first success, or later in a row and for one reason, end the experiment."""
NO_REASON = "the trial failed or was stopped"
NO_RESULT = "the trial ended without a result"
KILLED = "the trial was killed, or stopped by hand (is there enough memory?)"
STOPPED = "the trial was stopped: after maxTrialDuration, by an assessor or by hand"

_VAGUE = (NO_REASON, NO_RESULT, KILLED, STOPPED)
"""Reasons that do not end the search: someone may have stopped trials by hand, or the machine was overloaded."""


def why_failed(manager: NniManager, parameter_id: int, trials: Path) -> tuple[str, str | None]:
    """What is known of the end of a trial that did not say itself why it failed, and its id if NNI tells it.

    ``trials`` is the folder where trials print to (``TRIAL/trial.stderr``); remote ones print elsewhere.
    """
    try:
        job = manager.latest_job(parameter_id)
    except NO_ANSWER as fault:
        log.warning("NNI's manager does not answer (%s): why a trial failed is not known", fault)
        job = None
    if job is None:
        return NO_REASON, None
    reasons = {"EARLY_STOPPED": STOPPED, "USER_CANCELED": KILLED}
    return reasons.get(job["status"]) or _last_line(trials / job["trialJobId"] / "trial.stderr"), job["trialJobId"]


def _last_line(printed: Path) -> str:
    """The last line that a trial printed: that of a traceback, or a refusal, is the reason of its failure."""
    try:
        lines = printed.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return NO_REASON
    last = next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")
    # NNI interrupts the trials that it stops, and then takes their end for a failure.
    return STOPPED if last == "interrupted" else f"the trial failed: {last[:500]}"


@dataclass
class FailuresInARow:
    """The failures of a session since its last success."""

    succeeded: bool
    """Whether any trial of the search has succeeded."""
    reopen: list[int] = field(default_factory=list)
    """Once the row has ended the experiment: the proposals given up in it, to be tried again after a resume."""
    _reasons: list[str] = field(default_factory=list)
    _given_up: list[int] = field(default_factory=list)

    def end(self) -> None:
        """A trial succeeded."""
        self.succeeded = True
        self._reasons.clear()
        self._given_up.clear()

    def note(self, uid: int, reason: str, again: bool) -> str | None:
        """A trial failed, and its proposal is tried again or given up; returns why the experiment is to end, if so."""
        self._reasons.append(reason)
        if not again:
            self._given_up.append(uid)
        last = self._reasons[-FAILURES_TO_STOP:]
        if len(last) < FAILURES_TO_STOP or (self.succeeded and (set(last) != {reason} or reason in _VAGUE)):
            return None
        self.reopen = list(self._given_up)
        if self.succeeded:
            return f"{FAILURES_TO_STOP} trials in a row failed because: {reason}"
        return f"the first {FAILURES_TO_STOP} trials failed, the last one because: {reason}"
