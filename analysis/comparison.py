"""Whether one structure is better than another, from paired samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev

T_95 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26)
"""Two-sided 95 % quantiles of Student's t for 1, 2, ... degrees of freedom; beyond, the last is slightly too wide."""


@dataclass(frozen=True)
class Comparison:
    """Paired difference of two structures in the mean of the five metrics."""

    difference: float
    standard_error: float | None
    """None with one sample, which has no spread."""
    samples: int

    @classmethod
    def of(cls, differences: Sequence[float]) -> Comparison:
        """From the difference of each pair; at least one."""
        samples = len(differences)
        return cls(mean(differences), stdev(differences) / samples**0.5 if samples > 1 else None, samples)

    @property
    def half_width(self) -> float | None:
        """Half the width of the 95 % interval; None with one sample."""
        if self.standard_error is None:
            return None
        return T_95[min(self.samples - 1, len(T_95)) - 1] * self.standard_error

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the difference; None with one sample."""
        width = self.half_width
        return None if width is None else (self.difference - width, self.difference + width)

    @property
    def verdict(self) -> str:
        """``better``, ``worse`` or ``inconclusive``, where the interval contains 0."""
        if self.half_width is None or abs(self.difference) <= self.half_width:
            return "inconclusive"
        return "better" if self.difference > 0 else "worse"
