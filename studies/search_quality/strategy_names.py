"""Names of strategies: a search, or a search that starts from the result of another."""

from __future__ import annotations

from studies.search_quality.searchers import SEARCHERS

HAND = "hand"
DIFFERENTIABLE = "differentiable"
STRATEGIES = (HAND, *SEARCHERS, DIFFERENTIABLE)
"""Those that start from scratch."""
EIGHTH, FEWER = "differentiable-eighth", "differentiable-fewer"
"""Differentiable searches within an eighth of the useful context, and within half of the multiply-adds."""
CUT, EVEN = "cut-eighth", "even-eighth"
"""Hand-scaled patterns within an eighth of the useful context, see ``experiments.context_plan.patterns``."""
LIMITED = (EIGHTH, FEWER, CUT, EVEN)
LOCAL = "+local"
"""``NAME+local`` is a local search that starts from the result of NAME."""
GENETIC = "+genetic"
"""``NAME+genetic`` is a genetic search whose population begins with the result of NAME."""


def start_of(strategy: str) -> str | None:
    """The strategy whose result this one starts from; None if it starts from scratch."""
    for how in (LOCAL, GENETIC):
        if strategy.endswith(how):
            return strategy.removesuffix(how)
    return None


def root_of(strategy: str) -> str:
    """The first strategy of the chain that a name describes."""
    start = start_of(strategy)
    return strategy if start is None else root_of(start)
