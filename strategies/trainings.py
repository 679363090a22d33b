"""Trainings that are all known from the start: nothing is chosen, each is to be done once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nni_api.trial_report import TrialReport
from strategies.proposal import Proposal


class Trainings:
    """A fixed list of trainings; see ``strategies.proposal.Search`` for the protocol.

    Args:
        proposals: all of them, in order; their numbers are 0, 1, 2, ...
    """

    def __init__(self, proposals: Sequence[Proposal]) -> None:
        self._proposals = proposals
        self._asked = 0
        self._succeeded: set[int] = set()
        self._failed: set[int] = set()

    def ask(self) -> Proposal | None:
        """The next training; None once all have been handed out."""
        if self._asked == len(self._proposals):
            return None
        self._asked += 1
        return self.proposal(self._asked - 1)

    def proposal(self, uid: int) -> Proposal:
        """A training that was handed out before. Raises ValueError where there is none of that number."""
        if type(uid) is not int or not 0 <= uid < self._asked:
            raise ValueError(f"there is no proposal {uid!r}")
        return self._proposals[uid]

    def tell(self, uid: int, report: TrialReport) -> bool:  # noqa: ARG002  that it has one is enough
        """A training has succeeded. False for a second time."""
        self.proposal(uid)
        new = uid not in self._succeeded
        self._succeeded.add(uid)
        self._failed.discard(uid)
        return new

    def fail(self, uid: int) -> None:
        """A training could not be finished."""
        if self.is_open(uid):
            self._failed.add(uid)

    def reopen(self, uid: int) -> None:
        """A training that failed is to be tried again after all."""
        self._failed.discard(uid)

    def add_trial(self, report: TrialReport) -> None:
        """A training that somebody added on the web page is none of the list."""

    def news(self) -> list[dict[str, Any]]:
        """Nothing happens but in trials."""
        return []

    def is_open(self, uid: int) -> bool:
        """Whether a training has neither succeeded nor failed."""
        return uid < self._asked and uid not in self._succeeded | self._failed

    @property
    def pending(self) -> list[int]:
        """Trainings that have neither succeeded nor failed."""
        return [uid for uid in range(self._asked) if self.is_open(uid)]

    @property
    def finished(self) -> bool:
        """Whether all trainings have succeeded or failed."""
        return self._asked == len(self._proposals) and not self.pending

    def state_dict(self) -> dict[str, Any]:
        """How far the trainings are, as JSON content."""
        return {"asked": self._asked, "judged": sorted(self._succeeded), "failed": sorted(self._failed)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state. Raises KeyError, TypeError or ValueError where it is damaged."""
        if type(state["asked"]) is not int or not 0 <= state["asked"] <= len(self._proposals):
            raise ValueError("asked")
        self._asked = state["asked"]
        self._succeeded, self._failed = set(state["judged"]), set(state["failed"])
        for uid in self._succeeded | self._failed:
            self.proposal(uid)
