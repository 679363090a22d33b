"""The differentiable global search: its trials find the structures, one for each seed. Nothing is drawn here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nas_space.bad_input import BadInput
from strategies.proposal import Proposal
from strategies.trainings import Trainings


class DifferentiableSearch(Trainings):
    """A training for each seed.

    Raises:
        BadInput: no seeds, one that is no whole number of at least 0, or one that comes twice.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        fits = isinstance(seeds, list) and all(type(seed) is int and seed >= 0 for seed in seeds)
        if not fits or not seeds or len(set(seeds)) != len(seeds):
            raise BadInput(f"seeds must be a list of different whole numbers of at least 0, not {seeds!r}")
        self.seeds = seeds
        super().__init__([Proposal(uid, {}, {"seed": seed}, {"seed": seed}) for uid, seed in enumerate(seeds)])

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

    def state_dict(self) -> dict[str, Any]:
        """All of the state as JSON content."""
        return {"seeds": list(self.seeds), **super().state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state.

        Raises:
            BadInput: it is of a search with other seeds.
            KeyError, TypeError, ValueError: it is damaged.
        """
        if state["seeds"] != list(self.seeds):
            raise BadInput("the saved search has other seeds: start a new experiment")
        super().load_state_dict(state)
