"""The differentiable global search: its trials find the structures, one for each seed. Nothing is sampled here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from common.bad_input import BadInput
from nas_space.budget import NO_LIMITS, Budget
from nni_api.trial_report import CANDIDATES, LIMITS, TrialReport
from strategies.proposals import Proposal
from strategies.trainings import Trainings


class DifferentiableSearch(Trainings):
    """A training for each seed.

    Args:
        seeds: of the trainings.
        layers: short labels of the layers that each is to find dilations of.
        candidates: what each layer chooses among, by short label; None: the command of the trials says it.
        budget: what the structures may cost.

    Raises:
        BadInput: no seeds, one that is no whole number of at least 0, or one that comes twice.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        layers: Iterable[str],
        candidates: Mapping[str, Sequence[int]] | None = None,
        budget: Budget = NO_LIMITS,
    ) -> None:
        fits = isinstance(seeds, list) and all(type(seed) is int and seed >= 0 for seed in seeds)
        if not fits or not seeds or len(set(seeds)) != len(seeds):
            raise BadInput(f"seeds must be a list of different whole numbers of at least 0, not {seeds!r}")
        self._layers = set(layers)
        space = None if candidates is None else {label: list(of_layer) for label, of_layer in candidates.items()}
        to_trials = {name: value for name, value in {CANDIDATES: space, LIMITS: str(budget)}.items() if value}
        self._settings = {"seeds": seeds, **{name.removeprefix("_"): value for name, value in to_trials.items()}}
        super().__init__(
            [Proposal(uid, {}, {"seed": seed}, {"seed": seed, **to_trials}) for uid, seed in enumerate(seeds)]
        )

    def tell(self, uid: int, report: TrialReport) -> bool:
        """A training has found a structure. False for a second time.

        Raises:
            RuntimeError: it is none of this network.
        """
        if report.structure is None or report.structure.keys() != self._layers:
            raise RuntimeError(f"the trial of proposal {uid} reports no structure of this network")
        return super().tell(uid, report)

    def state_dict(self) -> dict[str, Any]:
        """All of the state as JSON content."""
        return {**self._settings, **super().state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state.

        Raises:
            BadInput: it is of a search with other seeds or candidates.
            KeyError, TypeError, ValueError: it is damaged.
        """
        for name in ("seeds", "candidates", "limits"):
            if state.get(name) != self._settings.get(name):
                raise BadInput(f"the saved search has other {name}: start a new experiment")
        super().load_state_dict(state)


def seeds_of(search_space: Any) -> Any:
    """The seeds in a search space that names nothing else, as those of earlier versions do; None for any other."""
    try:
        ((name, choice),) = search_space.items()
        return choice["_value"] if name == "seed" and choice["_type"] == "choice" else None
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
