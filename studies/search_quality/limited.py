"""Strategies within limits: an eighth of the useful context, or half of the multiply-adds of all layers."""

from __future__ import annotations

from experiments.context_plan import SHARES, patterns, share_of, useful_context
from nas_space.budget import NO_LIMITS, Budget
from nas_space.network import POWERS_OF_TWO, Network, candidates_within
from nas_space.structure import Structure
from studies.search_quality.strategy_names import CUT, DIFFERENTIABLE, EVEN, FEWER
from trials.data.arguments import Task


def eighth(task: Task, network: Network) -> Budget:
    """An eighth of the context that is useful on a data set, as in ``experiments.context``."""
    return share_of(useful_context(network, task.dataset, task.dataset.splits()), SHARES["1_8"])


def pattern(strategy: str, task: Task, network: Network) -> Structure:
    """``hand`` cut off or evenly shortened to an eighth; ``hand`` itself where it sees no more."""
    scaled = patterns(network, eighth(task, network))
    name = {CUT: "cut", EVEN: "even"}[strategy]
    return scaled.get(name) or scaled.get("cut") or Structure.hand(network)


def differentiable_space(
    strategy: str, task: Task, split: int, network: Network, shorter: bool = True
) -> tuple[dict[str, tuple[int, ...]], Budget]:
    """What each layer may choose among, by short label, and the budget of a differentiable search.

    Within limits, a layer can be left out where that is the point, or where the limit is tight.

    Args:
        shorter: only dilations that are shorter than the longest video, as by default.
    """
    candidates = candidates_within(task.dataset.longest(split)) if shorter else POWERS_OF_TWO
    if strategy == DIFFERENTIABLE:
        return dict.fromkeys(network.paths, candidates), NO_LIMITS
    budget = Budget.parse(None, "50%", network) if strategy == FEWER else eighth(task, network)
    if budget.is_tight(dict.fromkeys(network.paths, candidates), network):
        candidates = (0, *candidates)
    return dict.fromkeys(network.paths, candidates), budget
