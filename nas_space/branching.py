"""Branches around a dilation, and the next dilation from their learned probabilities: the arithmetic of local search.

Pure and without torch: shared by the tuner, the trials and the one-process search.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from common.bad_input import BadInput, naming
from nas_space.budget import NO_LIMITS, Budget
from nas_space.structure import Structure

MOST_BRANCHES = 2048
"""Of a layer: as many as there are dilations within the default bounds, so of more some would be equal."""


@dataclass(frozen=True)
class Branching:
    """How to put branches around a dilation d (Gao et al., CVPR 2021, section 3.3).

    The paper's branches are (1 - rate) d, d, (1 + rate) d, rounded and clipped; around d <= 4 all three are equal
    (rate 0.1), so small dilations can never move. Here they are distinct: with h the larger of rate x d (rounded) and
    (branches - 1) / 2 (rounded up), they are spread evenly over [d - h, d + h], clipped to the bounds, and duplicates
    are removed. At a bound they lie on one side, so equal probabilities pull inwards there. A layer that is left out
    (d = 0) stays so.

    ======  ==================  ==================  =====================
    d       3 branches, 0.1     3 branches, 0.5     5 branches, 0.1
    ======  ==================  ==================  =====================
    1       1 2                 1 2                 1 2 3
    2       1 2 3               1 2 3               1 2 3 4
    3       2 3 4               1 3 5               1 2 3 4 5
    4       3 4 5               2 4 6               2 3 4 5 6
    16      14 16 18            8 16 24             14 15 16 17 18
    100     90 100 110          50 100 150          90 95 100 105 110
    2048    1843 2048           1024 2048           1843 1946 2048
    ======  ==================  ==================  =====================
    """

    count: int = 3
    rate: float = 0.1
    minimum: int = 1
    maximum: int = 2048
    budget: Budget = NO_LIMITS
    """A branch beyond it is left out: one with which the network would see too far, the other layers as they are."""

    def __post_init__(self) -> None:
        if type(self.count) is not int or self.count < 2:
            raise BadInput(f"the number of branches must be a whole number of at least 2, not {self.count!r}")
        if self.count > MOST_BRANCHES:
            raise BadInput(f"the number of branches must be at most {MOST_BRANCHES}, not {self.count}")
        if isinstance(self.rate, bool) or not isinstance(self.rate, int | float) or not 0 <= self.rate < 1:
            raise BadInput(f"the expand rate must be at least 0 and below 1, not {self.rate!r}")
        for name in ("minimum", "maximum"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 1:
                raise BadInput(f"the {name} dilation must be a whole number of at least 1, not {getattr(self, name)!r}")
        if self.minimum >= self.maximum:
            raise BadInput(f"dilations of {self.minimum} to {self.maximum} leave no room for two branches")

    def expand(self, dilation: int) -> tuple[int, ...]:
        """The branches around a dilation: at least two distinct ones, in ascending order; of 0 only itself.

        Raises:
            BadInput: the dilation lies beyond the bounds.
        """
        if dilation == 0:
            return (0,)
        if not self.minimum <= dilation <= self.maximum:
            raise BadInput(f"dilation {dilation} lies outside the bounds {self.minimum} to {self.maximum}")
        half = max(_round(self.rate * dilation), math.ceil((self.count - 1) / 2))
        spread = (dilation - half + 2 * half * index / (self.count - 1) for index in range(self.count))
        return tuple(sorted({min(self.maximum, max(self.minimum, _round(branch))) for branch in spread}))

    def branches(self, structure: Structure) -> dict[str, tuple[int, ...]]:
        """The branches of every layer, by short label; only its own dilation where the budget leaves no others.

        Raises:
            BadInput: as ``check``.
        """
        of_layers = self._expand_all(structure)
        if self.budget == NO_LIMITS:
            return of_layers
        dilations = structure.by_label()

        def keeps(label: str, branch: int) -> bool:
            wider = {**dilations, label: branch}
            return branch <= dilations[label] or not self.budget.exceeded(structure.network, list(wider.values()))

        for label, branches in of_layers.items():
            kept = [branch for branch in branches if keeps(label, branch)]
            of_layers[label] = tuple(kept if len(kept) > 1 else sorted({*kept, dilations[label]}))
        return of_layers

    def cut_off(self, structure: Structure) -> Structure:
        """The structure with its longest dilations shortened until it keeps the budget.

        Raises:
            BadInput: no structure of the network keeps it.
        """
        dilations = structure.by_label()
        smaller = {label: range(min(self.minimum, each), each + 1) for label, each in dilations.items()}
        return self.budget.shorten(structure, smaller)

    def check(self, structure: Structure) -> None:
        """Check that all dilations are within the bounds and the budget. Raises BadInput, which names the layer."""
        self._expand_all(structure)

    def _expand_all(self, structure: Structure) -> dict[str, tuple[int, ...]]:
        of_layers = {}
        for label, dilation in structure.by_label().items():
            with naming(f"layer {label}"):
                of_layers[label] = self.expand(dilation)
        if self.budget.exceeded(structure.network, structure.dilations):
            raise BadInput(f"the structure {structure} exceeds the limits {self.budget}")
        return of_layers

    def to_text(self) -> str:
        """The settings as one short text, as a tuner passes them to its trials."""
        budget = str(self.budget)
        return f"{self.count},{self.rate},{self.minimum},{self.maximum}" + (f";{budget}" if budget else "")

    @classmethod
    def from_text(cls, text: str) -> Branching:
        """The settings that ``to_text`` wrote. Raises BadInput for anything else."""
        try:
            bounds, _, budget = text.partition(";")
            count, rate, minimum, maximum = bounds.split(",")
            return cls(int(count), float(rate), int(minimum), int(maximum), Budget.parse(budget or None))
        except (ValueError, AttributeError) as fault:
            raise BadInput(f"not the settings of branches: {text!r} ({fault})") from None

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add the options of the branches around a dilation."""
        group = parser.add_argument_group("branches")
        group.add_argument("--branches", type=int, default=cls.count, help="of a layer (default: %(default)s)")
        group.add_argument("--expand-rate", type=float, default=cls.rate, help="(default: %(default)s)")
        group.add_argument("--min-dilation", type=int, default=cls.minimum, help="(default: %(default)s)")
        group.add_argument("--max-dilation", type=int, default=cls.maximum, help="(default: %(default)s)")

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace, budget: Budget = NO_LIMITS) -> Branching:
        """The settings from those options."""
        bounds = arguments.min_dilation, arguments.max_dilation
        return cls(arguments.branches, arguments.expand_rate, *bounds, budget)

    def describe(self) -> dict[str, Any]:
        """The settings as JSON content; without a budget as in earlier versions."""
        names = ("count", "rate", "minimum", "maximum")
        budget = str(self.budget)
        return {name: getattr(self, name) for name in names} | ({"limits": budget} if budget else {})


def expectation(branches: Sequence[int], probabilities: Sequence[float], current: int) -> int:
    """The expected dilation, sum of p_i d_i, rounded; halves towards ``current``: no evidence, no move.

    Raises:
        ValueError: not one probability per branch, or their sum is not 1.
    """
    if len(branches) != len(probabilities) or not math.isclose(sum(probabilities), 1.0, abs_tol=1e-3):
        raise ValueError(f"the probabilities {list(probabilities)} are not those of the branches {list(branches)}")
    mean = sum(p * d for p, d in zip(probabilities, branches, strict=True))
    below = math.floor(mean)
    if abs(mean - below - 0.5) < 1e-6:
        return below if current <= below else below + 1
    return _round(mean)


def next_structure(
    structure: Structure, branching: Branching, probabilities: Mapping[str, Sequence[float]]
) -> Structure:
    """The structure after one iteration: every dilation becomes the expectation over its branches.

    Where layers together have grown beyond the budget, the longest are shortened.

    Args:
        probabilities: of the branches of each layer, by short label.
    """
    dilations = structure.by_label()
    expected = {
        label: expectation(branches, probabilities[label], dilations[label])
        for label, branches in branching.branches(structure).items()
    }
    return branching.cut_off(Structure.from_labels(expected, structure.network))


def keep_branches(
    structure: Structure, branching: Branching, probabilities: Mapping[str, Sequence[float]] | None = None
) -> Structure:
    """The structure with the branches around its dilations, to be kept in the final training (rf-multiple).

    Args:
        probabilities: what they have learned, by short label; None: all branches of a layer have equal shares.
    """
    kept: dict[str, list[list[float]]] = {}
    for label, branches in branching.branches(structure).items():
        shares = [1 / len(branches)] * len(branches) if probabilities is None else probabilities[label]
        kept[label] = [list(pair) for pair in zip(branches, shares, strict=True)]
    return Structure.from_labels(kept, structure.network)


def _round(value: float) -> int:
    """To the nearest integer, halves up; Python's ``round`` takes them to the nearest even number."""
    return math.floor(value + 0.5)
