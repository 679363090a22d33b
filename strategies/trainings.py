"""Trainings that are all known from the start: nothing is chosen, each is to be done once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nni_api.trial_report import TrialReport
from strategies.proposals import Ledger, Proposal


class Trainings:
    """A fixed list of trainings; see ``strategies.search.Search`` for the protocol.

    Args:
        proposals: all of them, in order; their numbers are 0, 1, 2, ...
    """

    def __init__(self, proposals: Sequence[Proposal]) -> None:
        self._proposals = proposals
        self.ledger = Ledger()

    def ask(self) -> Proposal | None:
        """The next training; None once all have been handed out."""
        return None if self.ledger.size == len(self._proposals) else self.proposal(self.ledger.add())

    def proposal(self, uid: int) -> Proposal:
        """A training that was handed out before. Raises ValueError where there is none of that number."""
        self.ledger.check(uid)
        return self._proposals[uid]

    def tell(self, uid: int, report: TrialReport) -> bool:  # noqa: ARG002  that it has one is enough
        """A training has succeeded. False for a second time."""
        return self.ledger.evaluate(uid)

    def add_trial(self, report: TrialReport) -> None:
        """A training that somebody added on the web page is none of the list."""

    def pop_events(self) -> list[dict[str, Any]]:
        """Nothing happens but in trials."""
        return []

    @property
    def finished(self) -> bool:
        """Whether all trainings have succeeded or failed."""
        return self.ledger.size == len(self._proposals) and not self.ledger.open

    def state_dict(self) -> dict[str, Any]:
        """How far the trainings are, as JSON content."""
        ledger = self.ledger
        return {"asked": ledger.size, "judged": ledger.evaluated, "failed": sorted(ledger.failed)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state. Raises KeyError, TypeError or ValueError where it is damaged."""
        if type(state["asked"]) is not int or not 0 <= state["asked"] <= len(self._proposals):
            raise ValueError("asked")
        self.ledger = Ledger.restore(state["asked"], state["judged"], state["failed"])
