"""The differentiable global search: its trials find the structures, one for each seed. Nothing is drawn here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from nas_space.bad_input import BadInput
from strategies.proposal import Proposal


@dataclass
class DifferentiableSearch:
    """A training for each seed; see ``strategies.proposal.Search`` for the protocol.

    Raises:
        BadInput: no seeds, one that is no whole number of at least 0, or one that comes twice.
    """

    seeds: Sequence[int]
    _asked: int = field(init=False, default=0)
    _judged: set[int] = field(init=False, default_factory=set)
    _failed: set[int] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        fits = isinstance(self.seeds, list) and all(type(seed) is int and seed >= 0 for seed in self.seeds)
        if not fits or not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise BadInput(f"seeds must be a list of different whole numbers of at least 0, not {self.seeds!r}")

    @classmethod
    def over(cls, search_space: Any) -> DifferentiableSearch:
        """The search that NNI's search space asks for. Raises BadInput where it names no seeds."""
        try:
            ((name, choice),) = search_space.items()
            if name != "seed" or choice["_type"] != "choice":
                raise ValueError
            seeds = choice["_value"]
        except (AttributeError, KeyError, TypeError, ValueError):
            example = "{seed: {_type: choice, _value: [0, 1, 2]}}"
            raise BadInput(f"searchSpace must name the seeds: {example}, or other seeds") from None
        return cls(seeds)

    def ask(self) -> Proposal | None:
        """The next seed; None once all have been handed out."""
        if self._asked == len(self.seeds):
            return None
        self._asked += 1
        return self.proposal(self._asked - 1)

    def proposal(self, uid: int) -> Proposal:
        """A proposal that was handed out before. Raises ValueError where there is none of that number."""
        if type(uid) is not int or not 0 <= uid < self._asked:
            raise ValueError(f"there is no proposal {uid!r}")
        seed = {"seed": self.seeds[uid]}
        return Proposal(uid, {}, seed, seed)

    def tell(self, uid: int) -> bool:
        """A training has found a structure. False for a second time."""
        self.proposal(uid)
        new = uid not in self._judged
        self._judged.add(uid)
        self._failed.discard(uid)
        return new

    def fail(self, uid: int) -> None:
        """A training could not be finished."""
        if self.is_open(uid):
            self._failed.add(uid)

    def reopen(self, uid: int) -> None:
        """A training that failed is to be tried again after all."""
        self._failed.discard(uid)

    def news(self) -> list[dict[str, Any]]:
        """Nothing happens but in trials."""
        return []

    def is_open(self, uid: int) -> bool:
        """Whether a training has neither ended nor failed."""
        return uid < self._asked and uid not in self._judged | self._failed

    @property
    def pending(self) -> list[int]:
        """Trainings that have neither ended nor failed."""
        return [uid for uid in range(self._asked) if self.is_open(uid)]

    @property
    def finished(self) -> bool:
        """Whether all trainings have ended or failed."""
        return self._asked == len(self.seeds) and not self.pending

    def state_dict(self) -> dict[str, Any]:
        """All of the state as JSON content."""
        return {
            "seeds": list(self.seeds),
            "asked": self._asked,
            "judged": sorted(self._judged),
            "failed": sorted(self._failed),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state.

        Raises:
            BadInput: it is of a search with other seeds.
            KeyError, TypeError, ValueError: it is damaged.
        """
        if state["seeds"] != list(self.seeds):
            raise BadInput("the saved search has other seeds: start a new experiment")
        if type(state["asked"]) is not int or not 0 <= state["asked"] <= len(self.seeds):
            raise ValueError("asked")
        self._asked = state["asked"]
        self._judged, self._failed = set(state["judged"]), set(state["failed"])
        for uid in self._judged | self._failed:
            self.proposal(uid)
