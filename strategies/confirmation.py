"""The confirmation of a search: its best structures are trained again with other seeds, and the mean decides.

The best first score of many is too high: it was chosen for its noise, too. The confirmations choose again, among few
structures, by trainings that have had no part in choosing them; the first scores do not count any more.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Mapping, Sequence
from typing import Any

from common.bad_input import BadInput
from nni_api.trial_report import CONFIRMATION, TrialReport
from strategies.proposals import Ledger, Proposal
from strategies.search import Search

SEEDS = 3
"""How many times each candidate is trained by default."""


class ConfirmedSearch:
    """A search, and then the confirmation of its result; see ``strategies.search.Search`` for the protocol.

    Candidates are the best different structures by their first score, and the starts. All are trained with the first
    seed, then with the next, so that they can be compared wherever it stops.

    Args:
        search: the search itself.
        count: how many of its best structures are candidates.
        seeds: how many times each candidate is trained.
        starts: further candidates, dilations by short label.

    Raises:
        BadInput: ``count`` or ``seeds`` is no whole number of at least 1.
    """

    def __init__(self, search: Search, count: int, seeds: int, starts: Sequence[Mapping[str, int]] = ()) -> None:
        for name, value in (("confirm", count), ("confirm_seeds", seeds)):
            if type(value) is not int or value < 1:
                raise BadInput(f"{name} must be a whole number of at least 1, not {value!r}")
        self._search = search
        self._count = count
        self._seeds = seeds
        self._starts = [dict(start) for start in starts]
        self._best: list[tuple[float, dict[str, int]]] = []
        self._candidates: list[dict[str, int]] | None = None
        """None until the search itself has ended."""
        self.ledger = search.ledger

    def ask(self) -> Proposal | None:
        """The next structure of the search; once that has ended, the next confirmation."""
        if self._candidates is None:
            proposal = self._search.ask()
            if proposal is not None or not self._search.finished:
                return proposal
            self._candidates = _different([structure for _, structure in self._best] + self._starts)
            # A ledger of its own: the search is over, and its state stays as it is.
            self.ledger = Ledger(self._search.ledger.size, failed=set(self._search.ledger.failed))
        return None if self.ledger.size == self._size else self.proposal(self.ledger.add())

    @property
    def _size(self) -> int:
        """The number of all proposals, those of the search included, once that has ended."""
        assert self._candidates is not None
        return self._search.ledger.size + len(self._candidates) * self._seeds

    def proposal(self, uid: int) -> Proposal:
        """A proposal that was handed out before. Raises ValueError where there is none of that number."""
        self.ledger.check(uid)
        number = uid - self._search.ledger.size
        if self._candidates is None or number < 0:
            return self._search.proposal(uid)
        seed, index = divmod(number, len(self._candidates))
        return Proposal(uid, self._candidates[index], {"confirmation": seed + 1}, {CONFIRMATION: seed + 1})

    def tell(self, uid: int, report: TrialReport) -> bool:
        """A result of the search, or a confirmation. False for a second time.

        A result of the search that comes after its end, for a trial that had failed, changes no candidate.
        """
        if self._candidates is not None:
            return self.ledger.evaluate(uid)
        new = self._search.tell(uid, report)
        if new:
            self._note(self._search.proposal(uid).dilations or report.structure or {}, report.metrics["default"])
        return new

    def add_trial(self, report: TrialReport) -> None:
        """A structure that somebody added on the web page is a candidate where the search can learn from it."""
        uid = self.ledger.size
        if self._candidates is None:
            self._search.add_trial(report)
            if self.ledger.size > uid:
                self._note(self._search.proposal(uid).dilations, report.metrics["default"])

    def _note(self, structure: dict[str, int], score: float) -> None:
        """Keep the best structures, each with its best score; of equals, the earlier."""
        known = next((each for each in self._best if each[1] == structure), None)
        if known is not None and known[0] >= score:
            return
        if known is not None:
            self._best.remove(known)
        insort(self._best, (score, structure), key=lambda each: -each[0])
        del self._best[self._count :]

    def pop_events(self) -> list[dict[str, Any]]:
        """Those of the search."""
        return self._search.pop_events()

    @property
    def finished(self) -> bool:
        """Whether all confirmations have succeeded or failed."""
        return self._candidates is not None and self.ledger.size == self._size and not self.ledger.open

    def state_dict(self) -> dict[str, Any]:
        """All of the state as JSON content."""
        return {
            "confirmation": self._settings,
            "search": self._search.state_dict(),
            "best": [list(each) for each in self._best],
            "candidates": self._candidates,
            "asked": self.ledger.size,
            "judged": self.ledger.evaluated,
            "failed": sorted(self.ledger.failed),
        }

    @property
    def _settings(self) -> dict[str, Any]:
        return {"count": self._count, "seeds": self._seeds, "starts": self._starts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state, as if never interrupted.

        Raises:
            BadInput: it is of a search with another confirmation or none, or of another search.
            KeyError, TypeError, ValueError, ...: it is damaged.
        """
        if state.get("confirmation") != self._settings:
            raise BadInput("the saved search has another confirmation, or none: start a new experiment")
        self._search.load_state_dict(state["search"])
        self._best = [(score, _checked(structure)) for score, structure in state["best"]]
        if not all(math.isfinite(score) for score, _ in self._best):
            raise ValueError("a score is no finite number")
        self._candidates, self.ledger = None, self._search.ledger
        if state["candidates"] is not None:
            self._candidates = [_checked(structure) for structure in state["candidates"]]
            if not self._search.ledger.size <= state["asked"] <= self._size:
                raise ValueError("asked")
            self.ledger = Ledger.restore(state["asked"], state["judged"], state["failed"])


def confirmed(search: Search, count: int | None, seeds: int | None, starts: Sequence[Mapping[str, int]] = ()) -> Search:
    """The search, with a confirmation of its result where a ``count`` is given; see ``ConfirmedSearch``.

    Raises:
        BadInput: ``seeds`` without ``count``, or one of them is no whole number of at least 1.
    """
    if count is None:
        if seeds is not None:
            raise BadInput("confirm_seeds needs confirm, the number of structures that are trained again")
        return search
    return ConfirmedSearch(search, count, SEEDS if seeds is None else seeds, starts)


def _different(structures: Sequence[dict[str, int]]) -> list[dict[str, int]]:
    return [structure for index, structure in enumerate(structures) if structure not in structures[:index]]


def _checked(structure: Any) -> dict[str, int]:
    """The dilations by label. Raises ValueError or AttributeError where they are none."""
    if not all(type(dilation) is int and dilation >= 0 for dilation in structure.values()):
        raise ValueError("a dilation is no whole number of at least 0")
    return dict(structure)
