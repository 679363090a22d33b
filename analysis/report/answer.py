"""The answer that a report opens with: how good what was found is on test, against the hand-designed structure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from analysis.report.subject import HAND, Subject
from analysis.searches import Cost

T_95 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26)
"""Two-sided 95 % quantiles of Student's t for 1, 2, ... degrees of freedom; beyond, the last is a little too wide."""

MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Comparison:
    """How much better than ``hand`` a structure is on the mean of the five metrics, over paired samples."""

    difference: float
    half_width: float | None
    """Of the 95 % interval; None with one sample, which has no spread."""
    samples: int

    @classmethod
    def of(cls, row: dict[str, Any]) -> Comparison:
        """From a row of ``analysis.final.aggregate``."""
        better = row["better_than_hand"]
        samples, error = better["samples"], better["standard_error"]
        half_width = None if error is None else T_95[min(samples - 1, len(T_95)) - 1] * error
        return cls(better["mean"], half_width, samples)

    @property
    def verdict(self) -> str:
        """``better``, ``worse`` or ``not told apart``: only an interval without 0 is a difference."""
        if self.half_width is None or abs(self.difference) <= self.half_width:
            return "not told apart"
        return "better" if self.difference > 0 else "worse"


def total_cost(subject: Subject) -> Cost:
    """What all searches of a subject took so far."""
    return Cost(*map(sum, zip(*(search.cost() for search in subject.searches.values()), strict=True)))


def headline(subject: Subject, rows: dict[str, dict[str, Any]]) -> str:
    """One sentence."""
    searched = subject.searched
    if searched is None or "better_than_hand" not in rows[searched]:
        found = {phase: search.history.best()[0] for (_, phase), search in subject.searches.items()}
        if not found:
            return f"Only {', '.join(rows)} was trained to the end: there is nothing to compare."
        phase = list(found)[-1]
        return (
            f"What the {phase} search found scores {found[phase].metrics['default']:.1f} % in the search's own trials. "
            "How good it is on the test videos only a final training tells."
        )
    comparison = Comparison.of(rows[searched])
    over = {
        "better": f"What the search found is better than the hand-designed dilations by {comparison.difference:.1f}",
        "worse": f"What the search found is worse than the hand-designed dilations by {-comparison.difference:.1f}",
        "not told apart": "What the search found cannot be told apart from the hand-designed dilations",
    }[comparison.verdict]
    return f"{over} on the test videos."


def explanation(subject: Subject, rows: dict[str, dict[str, Any]]) -> str:
    """Where the headline comes from."""
    searched = subject.searched
    if searched is None or "better_than_hand" not in rows[searched]:
        return ""
    comparison = Comparison.of(rows[searched])
    paired = subject.runs[searched].keys() & subject.runs[HAND].keys()
    splits, seeds = (len(set(numbers)) for numbers in zip(*paired, strict=True))
    pairs = "splits" if splits > 1 else "seeds"
    interval = "one pair says nothing about the spread"
    if comparison.half_width is not None:
        low, high = comparison.difference - comparison.half_width, comparison.difference + comparison.half_width
        interval = (
            f"95 % interval {_signed(low)} to {_signed(high)} (paired over {comparison.samples} {pairs}, Student's t)"
        )
    return (
        f"Mean of accuracy, edit score, F1@10, F1@25 and F1@50 over {_count(splits, 'split')} and "
        f"{_count(seeds, 'seed')}: {searched} {MINUS} {HAND} = {_signed(comparison.difference)}; {interval}."
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", MINUS)
