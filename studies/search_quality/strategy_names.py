"""What strategies are called: a search, or a search that goes on from what another has found."""

from __future__ import annotations

from studies.search_quality.searchers import SEARCHERS

HAND = "hand"
DIFFERENTIABLE = "differentiable"
STRATEGIES = (HAND, *SEARCHERS, DIFFERENTIABLE)
"""Those that start from nothing."""
LOCAL = "+local"
"""``NAME+local`` is a local search from what NAME found."""
GENETIC = "+genetic"
"""``NAME+genetic`` is a genetic search whose population begins with what NAME found."""


def start_of(strategy: str) -> str | None:
    """The strategy from whose winner this one starts; None if from nothing."""
    for how in (LOCAL, GENETIC):
        if strategy.endswith(how):
            return strategy.removesuffix(how)
    return None


def root_of(strategy: str) -> str:
    """The strategy at the beginning of all that the name says."""
    start = start_of(strategy)
    return strategy if start is None else root_of(start)
