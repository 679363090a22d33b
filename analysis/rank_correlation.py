"""Kendall's rank correlation, and how large it becomes by chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]


def kendall_tau(one: Sequence[float] | Scores, other: Sequence[float] | Scores) -> float:
    """Kendall's tau-a of two rankings: (pairs in the same order - pairs in the other order) / pairs, in -1..1."""
    first, second = np.asarray(one), np.asarray(other)
    # Row by row: the matrix of all pairs of a search's 5000 trials would take a gigabyte.
    signs = [np.sign(first[row] - first[:row]) @ np.sign(second[row] - second[:row]) for row in range(len(first))]
    return float(sum(signs) / (len(first) * (len(first) - 1) / 2))


def chance_tau(count: int) -> float:
    """The largest tau of two independent rankings of ``count`` (at least 2) values in 95 % of the cases.

    From the variance of tau without ties, 2 (2n + 5) / (9 n (n - 1)) (Kendall, 1938), and its normal limit.
    """
    return float(1.96 * np.sqrt(2 * (2 * count + 5) / (9 * count * (count - 1))))
