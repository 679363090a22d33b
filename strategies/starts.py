"""The structures that a search starts with: files, or the hand-designed one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from common.bad_input import BadInput
from nas_space.branching import Branching
from nas_space.budget import Budget
from nas_space.network import Network
from nas_space.structure import Structure
from nas_space.structure_files import read_single

log = logging.getLogger(__name__)

ROOT = Path(__file__).parent.parent
HAND = "hand"


def read_starts(names: Any, network: Network) -> list[tuple[str, Structure]]:
    """The start structures of a search, each with its name.

    Raises:
        BadInput: no list of structure files of that network.
    """
    check_list("starts", names, "file names", lambda value: isinstance(value, str))
    return [(name, read_single(from_root(name), network)) for name in names]


def from_root(name: str) -> str | Path:
    """The file of a structure, whose name begins at the root of the repository; or ``hand``."""
    return name if name == HAND else ROOT / name


def starts_within(
    names: Any, space: Mapping[str, Sequence[int]], network: Network, budget: Budget
) -> list[dict[str, int]]:
    """The start structures of a search that knows candidates only, by short label.

    Where the space ends earlier than the hand-designed structure, that one takes the largest candidates. What sees
    more than the budget allows is cut off.

    Raises:
        BadInput: as ``read_starts``; or the space has larger candidates than a dilation of ``hand``, but not that one.
    """
    starts = []
    for name, start in read_starts(names, network):
        dilations = start.by_label()
        if name == HAND:
            dilations = {label: min(dilation, max(space[label])) for label, dilation in dilations.items()}
            for label, dilation in dilations.items():
                if dilation not in space[label]:
                    raise BadInput(
                        f"starts: hand has the dilation {dilation} at {label}, which is no candidate there: "
                        f"leave hand out of starts, or add {dilation} to the candidates"
                    )
            shortened = [label for label, dilation in start.by_label().items() if dilation != dilations[label]]
            if shortened:
                log.warning(
                    "hand has longer dilations than the search space in %d of %d layers (%s): they take the largest "
                    "candidate there",
                    len(shortened),
                    len(dilations),
                    ", ".join(f"{label}: {dilations[label]}" for label in shortened),
                )
        whole = Structure.from_labels(dilations, network)
        starts.append(_noted(name, whole, budget.shorten(whole, space), budget).by_label())
    return starts


def cut_off(name: str, start: Structure, branching: Branching) -> Structure:
    """A start structure within the budget of a local search. Raises BadInput for a dilation beyond the bounds."""
    return _noted(name, start, branching.cut_off(start), branching.budget)


def _noted(name: str, whole: Structure, within: Structure, budget: Budget) -> Structure:
    if within != whole:
        log.warning("%s exceeds the limits %s: it is cut off to %s", name, budget, within)
    return within


def check_list(name: str, values: Any, what: str, fits: Callable[[Any], bool]) -> None:
    """Raise BadInput for what is no list of values that fit, at least one."""
    if not isinstance(values, list) or not values or not all(map(fits, values)):
        raise BadInput(f"{name} must be a list of {what}, at least one, not {values!r}")
