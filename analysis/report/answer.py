"""The headline of a report: test scores of the structure found, against the hand-designed one."""

from __future__ import annotations

from collections.abc import Mapping

from analysis.comparison import Comparison
from analysis.report.subject import HAND, Subject
from analysis.searches import SearchCost

MINUS = "\N{MINUS SIGN}"


def total_cost(subject: Subject) -> SearchCost:
    """The cost of all searches of a subject so far."""
    return SearchCost(*map(sum, zip(*(search.cost() for search in subject.searches.values()), strict=True)))


def headline(subject: Subject, compared: Mapping[str, Comparison]) -> str:
    """One sentence."""
    searched = subject.searched
    if searched is None or searched not in compared:
        found = {phase: search.history.best()[0] for (_, phase), search in subject.searches.items()}
        if not found:
            return f"Only {', '.join(subject.runs)} was trained to the end: there is nothing to compare."
        phase = list(found)[-1]
        score = f"{found[phase].metrics['default']:.1f} %"
        return (
            f"The result of the {phase} search scores {score} in the search's own trials. "
            "Its test scores need a final training."
        )
    comparison = compared[searched]
    verdict = {
        "better": f"is better than the hand-designed dilations by {comparison.difference:.1f}",
        "worse": f"is worse than the hand-designed dilations by {-comparison.difference:.1f}",
        "inconclusive": "does not differ significantly from the hand-designed dilations",
    }[comparison.verdict]
    return f"The result of the {searched} search {verdict} on the test videos."


def explanation(subject: Subject, compared: Mapping[str, Comparison]) -> str:
    """The evidence for the headline: the difference of each structure from ``hand``."""
    if not compared:
        return ""
    splits, seeds = (len(set(numbers)) for numbers in zip(*subject.runs[HAND], strict=True))
    pairs = "splits" if splits > 1 else "seeds"
    differences = "; ".join(f"{name} {MINUS} {HAND} = {_text(comparison)}" for name, comparison in compared.items())
    return (
        f"Mean of accuracy, edit score, F1@10, F1@25 and F1@50 over {_count(splits, 'split')} and "
        f"{_count(seeds, 'seed')}, with 95 % intervals of differences paired over {pairs} (Student's t): {differences}."
    )


def _text(comparison: Comparison) -> str:
    if comparison.interval is None:
        return f"{signed(comparison.difference)} (no interval from one pair)"
    low, high = comparison.interval
    return f"{signed(comparison.difference)} ({signed(low)} to {signed(high)})"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def signed(value: float) -> str:
    """A difference with its sign, as text."""
    return f"{value:+.1f}".replace("-", MINUS)
