"""What the NNI tuners ask of every search algorithm."""

from __future__ import annotations

from typing import Any, Protocol

from nni_api.trial_report import TrialReport
from strategies.proposals import Ledger, Proposal


class Search(Protocol):
    """A search algorithm: it knows neither NNI nor torch. All of its state can be saved."""

    ledger: Ledger
    """What became of its proposals; failures are noted here alone."""

    def ask(self) -> Proposal | None:
        """The next structure to try; None where there is none, for now or for good (see ``finished``)."""

    def proposal(self, uid: int) -> Proposal:
        """A proposal that was handed out before. Raises ValueError where there is none of that number."""

    def tell(self, uid: int, report: TrialReport) -> bool:
        """Learn from a trial, also from a late one after a failure; False if its result is known already."""

    def add_trial(self, report: TrialReport) -> None:
        """Learn from a trial that somebody added on NNI's web page, if the search can."""

    def pop_events(self) -> list[dict[str, Any]]:
        """Events of the search itself since the last call, for the records."""

    @property
    def finished(self) -> bool:
        """Whether everything is proposed and nothing is pending."""

    def state_dict(self) -> dict[str, Any]:
        """All of the state, random generator included, as JSON content."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state, as if never interrupted."""
