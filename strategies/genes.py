"""The operators of the genetic search (Gao et al., CVPR 2021, section 3.2): pure functions of genes and a generator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Genes = tuple[int, ...]
"""(layers,): one candidate dilation a layer, in the order of the labels."""


def sample_genes(candidates: Sequence[Sequence[int]], random: np.random.Generator) -> Genes:
    """Genes sampled uniformly, each over its own candidates."""
    return tuple(values[int(random.integers(len(values)))] for values in candidates)


def roulette(fitness: Sequence[float], random: np.random.Generator) -> int:
    """An index, sampled with probability proportional to its fitness; uniformly where no fitness is above zero."""
    wheel = np.cumsum(np.maximum(fitness, 0.0))
    if wheel[-1] == 0:
        return int(random.integers(len(fitness)))
    # Rounding may carry the largest numbers just beyond the wheel.
    return min(int(np.searchsorted(wheel, random.random() * wheel[-1], side="right")), len(fitness) - 1)


def crossover(first: Genes, second: Genes, random: np.random.Generator) -> Genes:
    """Two-point crossover: the first parent's genes, with one random segment taken from the second."""
    start, end = sorted(random.choice(len(first) + 1, size=2, replace=False))
    return first[:start] + second[start:end] + first[end:]


def mutate(genes: Genes, candidates: Sequence[Sequence[int]], rate: float, random: np.random.Generator) -> Genes:
    """Resample each gene with probability ``rate``, uniformly over its candidates."""
    sampled = sample_genes(candidates, random)
    changed = random.random(len(genes)) < rate
    return tuple(new if change else old for old, new, change in zip(genes, sampled, changed, strict=True))
