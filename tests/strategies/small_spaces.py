from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from nni_api.trial_report import TrialReport
from strategies.genetic import GeneticSearch
from strategies.proposals import Proposal

law = settings(deadline=None, max_examples=40)

CANDIDATES = (1, 2, 4, 8, 16)
SPACE = {f"s1l{layer}": CANDIDATES for layer in range(8)}
seeds = st.integers(0, 2**32)


def generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def shares(draws: Iterable[Hashable]) -> dict[Any, float]:
    """How often each value was drawn, of all."""
    counts = Counter(draws)
    return {value: count / counts.total() for value, count in counts.items()}


@st.composite
def spaces(draw_value: st.DrawFn) -> dict[str, tuple[int, ...]]:
    """One to three layers of two to four candidates each."""
    candidates = st.lists(st.integers(1, 64), min_size=2, max_size=4, unique=True).map(tuple)
    return {
        f"s1l{layer}": values for layer, values in enumerate(draw_value(st.lists(candidates, min_size=1, max_size=3)))
    }


def size(space: dict[str, tuple[int, ...]]) -> int:
    return math.prod(map(len, space.values()))


def small_fitness(dilations: dict[str, int]) -> float:
    """Some fitness with ties and zeros."""
    return float(sum(dilations.values()) % 4)


def scored(fitness: float, structure: dict[str, int] | None = None) -> TrialReport:
    """What a trial reports of a structure."""
    return TrialReport(structure=structure, metrics={"default": fitness})


def play(search: GeneticSearch, fitness: Callable[[dict[str, int]], float], number: int) -> list[Proposal]:
    """Ask and tell in turn, as one worker would, until the search has no more."""
    proposals: list[Proposal] = []
    while len(proposals) < number and (proposal := search.ask()) is not None:
        search.tell(proposal.uid, scored(fitness(proposal.dilations)))
        proposals.append(proposal)
    return proposals
