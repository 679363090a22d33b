"""What a search algorithm hands out, and what the NNI tuners ask of every algorithm."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from nni_api.trial_report import TrialReport


@dataclass(frozen=True)
class Proposal:
    """One structure to try."""

    uid: int
    """Number of the proposal: unique within a search, 0, 1, 2, ..."""
    dilations: dict[str, int]
    """By short label, as trials receive them."""
    about: dict[str, Any]
    """Where it comes from (generation and parents, or chain and iteration), for the records."""
    extra: dict[str, Any] = field(default_factory=dict)
    """What trials are told besides."""


class Search(Protocol):
    """A search algorithm: pure bookkeeping that knows neither NNI nor torch. All of its state can be saved."""

    def ask(self) -> Proposal | None:
        """The next structure to try; None where there is none, for now or for good (see ``finished``)."""

    def proposal(self, uid: int) -> Proposal:
        """A proposal that was handed out before."""

    def tell(self, uid: int, report: TrialReport) -> bool:
        """Learn from a trial, also from a late one after ``fail``; False if the outcome is known already."""

    def add_trial(self, report: TrialReport) -> None:
        """Learn from a trial that somebody added on NNI's web page, if the search can."""

    def fail(self, uid: int) -> None:
        """A proposal could not be judged."""

    def reopen(self, uid: int) -> None:
        """A proposal that could not be judged is to be tried again after all."""

    def news(self) -> list[dict[str, Any]]:
        """Events of the search itself since the last call, for the records."""

    def is_open(self, uid: int) -> bool:
        """Whether a proposal was neither judged nor failed."""

    @property
    def pending(self) -> list[int]:
        """Proposals that were neither judged nor failed."""

    @property
    def finished(self) -> bool:
        """Whether everything is proposed and nothing is pending."""

    def state_dict(self) -> dict[str, Any]:
        """All of the state, random generator included, as JSON content."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state, as if never interrupted."""
