"""The answer that a report opens with: how good what was found is on test, against the hand-designed structure."""

from __future__ import annotations

from typing import Any

from analysis.comparison import Comparison
from analysis.report.subject import HAND, Subject
from analysis.searches import Cost

MINUS = "\N{MINUS SIGN}"


def against_hand(row: dict[str, Any]) -> Comparison:
    """How much better than ``hand`` a structure is, from a row of ``analysis.final.aggregate``."""
    better = row["better_than_hand"]
    return Comparison(better["mean"], better["standard_error"], better["samples"])


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
    worth = against_hand(rows[searched])
    verdict = {
        "better": f"is better than the hand-designed dilations by {worth.difference:.1f}",
        "worse": f"is worse than the hand-designed dilations by {-worth.difference:.1f}",
        "not told apart": "cannot be told apart from the hand-designed dilations",
    }[worth.verdict]
    return f"What the {searched} search found {verdict} on the test videos."


def explanation(subject: Subject, rows: dict[str, dict[str, Any]]) -> str:
    """Where the headline comes from: how far each structure is from ``hand``."""
    compared = {name: against_hand(row) for name, row in rows.items() if "better_than_hand" in row}
    if not compared:
        return ""
    splits, seeds = (len(set(numbers)) for numbers in zip(*subject.runs[HAND], strict=True))
    pairs = "splits" if splits > 1 else "seeds"
    differences = "; ".join(f"{name} {MINUS} {HAND} = {_told(worth)}" for name, worth in compared.items())
    return (
        f"Mean of accuracy, edit score, F1@10, F1@25 and F1@50 over {_count(splits, 'split')} and "
        f"{_count(seeds, 'seed')}, with 95 % intervals of differences paired over {pairs} (Student's t): {differences}."
    )


def _told(worth: Comparison) -> str:
    if worth.interval is None:
        return f"{signed(worth.difference)} (one pair says nothing about the spread)"
    low, high = worth.interval
    return f"{signed(worth.difference)} ({signed(low)} to {signed(high)})"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def signed(value: float) -> str:
    """A difference with its sign, as text."""
    return f"{value:+.1f}".replace("-", MINUS)
