"""The final training: every structure on every split with every seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from common.bad_input import BadInput
from nas_space.structure import Structure
from nas_space.structure_names import short_name
from strategies.proposals import Proposal
from strategies.trainings import Trainings


class FinalPhase(Trainings):
    """A training for each structure, split and seed: all structures and splits with the first seed, then the next.

    Wherever it stops, the structures have been trained on the same splits with the same seeds, as far as possible.

    Args:
        structures: by name and split, as ``structure_names.structure_file`` reads a name.
        seeds: of the trainings.

    Raises:
        BadInput: two structures would share a folder.
    """

    def __init__(self, structures: Mapping[tuple[str, int], Structure], seeds: Sequence[int]) -> None:
        names = dict.fromkeys(name for name, _ in structures)
        shared = [short for short, times in Counter(map(short_name, names)).items() if times > 1]
        if shared:
            files = ", ".join(name for name in names if short_name(name) == shared[0])
            raise BadInput(f"structures must have different file names, not {files}: their results share a folder")
        self._dilations = [[name, split, structure.to_labels()] for (name, split), structure in structures.items()]
        self._seeds = list(seeds)
        places = [(name, split, seed) for seed, (name, split) in product(seeds, structures)]
        super().__init__([_training(uid, *place) for uid, place in enumerate(places)])

    def state_dict(self) -> dict[str, Any]:
        """All of the state as JSON content."""
        return {"structures": self._dilations, "seeds": self._seeds, **super().state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state; trainings that had failed are tried again.

        Raises:
            BadInput: it is of other structures, splits or seeds.
            KeyError, TypeError, ValueError: it is damaged.
        """
        saved = state["structures"]
        if [each[:2] for each in saved] != [each[:2] for each in self._dilations] or state["seeds"] != self._seeds:
            raise BadInput("the saved final training has other structures, splits or seeds: start a new experiment")
        for (name, split, now), (_, _, before) in zip(self._dilations, saved, strict=True):
            if now != before:
                raise BadInput(
                    f"{name}: the structure for split {split} has changed since the final training started: "
                    "restore the file, or start a new experiment"
                )
        super().load_state_dict({**state, "failed": []})


def _training(uid: int, name: str, split: int, seed: int) -> Proposal:
    place = {"split": split, "seed": seed}
    # Records have the dilations of a proposal under "structure".
    return Proposal(uid, {}, {"name": name, **place}, {"structure": name, **place})
