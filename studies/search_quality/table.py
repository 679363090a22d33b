"""The results of a comparison so far: each strategy against ``hand``, random search, or any other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from analysis.comparison import Comparison
from studies.search_quality.best_of_seeds import BEST_OF
from studies.search_quality.final_results import FinalResult
from studies.search_quality.search import SearchResult
from studies.search_quality.strategy_names import HAND, LIMITED, STRATEGIES, root_of

BASELINES = (HAND, "random")
"""The default baselines."""


@dataclass(frozen=True)
class Row:
    """One strategy on one data set."""

    dataset: str
    strategy: str
    splits: int
    results: tuple[SearchResult, ...]
    """One per search, however often its structure was trained."""
    trainings: int
    mean: float
    deviation: float | None
    """Sample standard deviation over all trainings: splits, search seeds and final seeds."""
    differences: dict[str, list[float]]
    """From each baseline, one per split that both have, averaged over the seeds of the split."""

    @property
    def searches(self) -> int:
        """How many there were."""
        return len(self.results)

    @property
    def epochs(self) -> float | None:
        """Mean number of search epochs; None if unknown."""
        return _mean(result.epochs for result in self.results)

    @property
    def seconds(self) -> float | None:
        """Mean seconds of a search; None if unknown."""
        return _mean(result.seconds for result in self.results)

    def against(self, baseline: str) -> Comparison | None:
        """Difference from a baseline, paired over the splits; None for itself, and where there are no pairs."""
        differences = self.differences.get(baseline)
        return Comparison.of(differences) if differences else None

    def describe(self) -> dict[str, Any]:
        """As a row of a CSV file."""
        line: dict[str, Any] = {"dataset": self.dataset, "strategy": self.strategy, "splits": self.splits}
        line |= {"searches": self.searches, "trainings": self.trainings, "mean": self.mean, "std": self.deviation}
        for baseline in BASELINES:
            comparison = self.against(baseline)
            line[f"minus_{baseline}"] = comparison and comparison.difference
            line[f"minus_{baseline}_95_half_width"] = comparison and comparison.half_width
        return {**line, "search_epochs": self.epochs, "search_seconds": self.seconds}


def summarise(finals: Sequence[FinalResult], baselines: Iterable[str] = BASELINES) -> list[Row]:
    """One row per data set and strategy: data sets by name; ours, then external ones; each, then its refinements."""
    baselines = list(baselines)
    groups: dict[tuple[str, str], list[FinalResult]] = defaultdict(list)
    for final in finals:
        groups[final.key.dataset, final.key.strategy].append(final)
    by_split = {key: _split_means(group) for key, group in groups.items()}
    rows = []
    for dataset, strategy in sorted(groups, key=lambda key: (key[0], _position(key[1]))):
        group = groups[dataset, strategy]
        values = [final.mean for final in group]
        own = by_split[dataset, strategy]
        differences = {}
        for baseline in baselines:
            theirs = by_split.get((dataset, baseline), {})
            if baseline != strategy:
                differences[baseline] = [own[split] - theirs[split] for split in sorted(own.keys() & theirs.keys())]
        results = {final.key: final.search for final in group}
        rows.append(
            Row(
                dataset,
                strategy,
                splits=len(own),
                results=tuple(results.values()),
                trainings=len(group),
                mean=mean(values),
                deviation=stdev(values) if len(values) > 1 else None,
                differences=differences,
            )
        )
    return rows


def text_table(rows: Sequence[Row], baselines: Sequence[str] = BASELINES) -> str:
    """The rows as text, with the differences from some of the baselines for which they were summarised."""
    width = max(len(row.strategy) for row in rows)
    head = f"{'':<{width}}{'splits':>8}{'n':>5}{'mean':>13}" + "".join(f"{'- ' + name:>26}" for name in baselines)
    lines = []
    for number, row in enumerate(rows):
        if number == 0 or rows[number - 1].dataset != row.dataset:
            lines += [*([""] if number else []), row.dataset, head + f"{'epochs':>8}{'seconds':>9}"]
        spread = "" if row.deviation is None else f" ±{row.deviation:4.1f}"
        line = f"{row.strategy:<{width}}{row.splits:>8}{row.trainings:>5}{f'{row.mean:.1f}{spread}':>13}"
        line += "".join(f"{_interval(row.against(name)):>26}" for name in baselines)
        cost = (f"{'' if value is None else format(value, '.0f')}" for value in (row.epochs, row.seconds))
        lines.append(line + "{:>8}{:>9}".format(*cost))
    about = (
        "mean of the five metrics on the test videos ± standard deviation over n trainings; differences paired over "
        "splits (95 % interval, Student's t); epochs and seconds: of the short trainings of a search"
    )
    return "\n".join([*lines, about])


def _position(strategy: str) -> tuple[int, str, str, str]:
    name, _, best_of = strategy.partition(BEST_OF)
    root = root_of(name)
    known = STRATEGIES + LIMITED
    return (known.index(root) if root in known else len(known), root, best_of, name)


def _split_means(finals: Iterable[FinalResult]) -> dict[int, float]:
    by_split: dict[int, list[float]] = defaultdict(list)
    for final in finals:
        by_split[final.key.split].append(final.mean)
    return {split: mean(values) for split, values in by_split.items()}


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if known else None


def _interval(comparison: Comparison | None) -> str:
    if comparison is None:
        return ""
    if comparison.interval is None:
        return f"{comparison.difference:+.1f}"
    low, high = comparison.interval
    return f"{comparison.difference:+.1f} ({low:+.1f} to {high:+.1f})"
