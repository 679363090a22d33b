"""Comparisons pooled over data sets: ``python -m studies.search_quality.pooled``.

A set of five splits shows differences of a point or more; several sets together show smaller ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from analysis.comparison import Comparison
from common.atomic_file import write_text
from common.bad_input import BadInput, run_command
from common.command_parser import command_parser
from studies.search_quality.best_of_seeds import with_best_of_seeds
from studies.search_quality.final_results import FinalResult, read_final_results, scored_on
from studies.search_quality.strategy_names import HAND
from studies.search_quality.table import summarise
from trials.table import csv_text

RESAMPLES = 20_000
"""Their own noise moves a standard error by half a percent."""

POOLED = "(pooled)"
"""Instead of a data set's name."""

ABOUT = f"""\
Differences in the mean of the five test metrics, paired over the splits of a data set (means over searches and seeds).
Pooled: the mean over the data sets, each with equal weight; standard error and 95 % interval (percentiles) are those of
a stratified bootstrap, {RESAMPLES:,} resamples: of each set's n splits, n - 1 are sampled with replacement (which makes
the variance unbiased), each with all its searches and seeds. The sets are fixed: the interval is about them alone."""


@dataclass(frozen=True)
class Line:
    """What a strategy gains over the baseline, on one data set or pooled over all that have both."""

    network: str
    strategy: str
    dataset: str
    """``POOLED`` for the mean over sets."""
    sets: int
    splits: int
    difference: float
    standard_error: float | None
    """None where a set has only one split."""
    interval: tuple[float, float] | None = None
    """95 %, of a pooled line only."""

    @classmethod
    def of(cls, network: str, strategy: str, by_dataset: Mapping[str, Sequence[float]]) -> Line:
        """From the differences on one data set, or on several to be pooled: one per split."""
        comparisons = [Comparison.of(differences) for differences in by_dataset.values()]
        error, interval, dataset = comparisons[0].standard_error, None, next(iter(by_dataset))
        if len(comparisons) > 1:
            (error, interval), dataset = bootstrap([*by_dataset.values()]), POOLED
        splits, difference = sum(one.samples for one in comparisons), fmean(one.difference for one in comparisons)
        return cls(network, strategy, dataset, len(comparisons), splits, difference, error, interval)

    @property
    def beyond_two_errors(self) -> str:
        """``better`` or ``worse`` where the difference is beyond two standard errors, else ``no``; empty if unknown."""
        if self.standard_error is None:
            return ""
        if abs(self.difference) <= 2 * self.standard_error:
            return "no"
        return "better" if self.difference > 0 else "worse"

    def describe(self, against: str) -> dict[str, Any]:
        """As a row of a CSV file."""
        low, high = self.interval or (None, None)
        about = {"network": self.network, "strategy": self.strategy, "against": against, "dataset": self.dataset}
        counts = {"sets": self.sets, "splits": self.splits}
        numbers = {"difference": self.difference, "standard_error": self.standard_error, "low_95": low, "high_95": high}
        return {**about, **counts, **numbers, "beyond_two_errors": self.beyond_two_errors}


def lines_of(network: str, strategy: str, by_dataset: Mapping[str, Sequence[float]]) -> list[Line]:
    """A line per data set and, where there are several, the pooled one; arguments as in ``Line.of``."""
    lines = [Line.of(network, strategy, {dataset: differences}) for dataset, differences in by_dataset.items()]
    return [*lines, Line.of(network, strategy, by_dataset)] if len(by_dataset) > 1 else lines


def bootstrap(differences: Sequence[Sequence[float]]) -> tuple[float, tuple[float, float]] | tuple[None, None]:
    """Standard error and 95 % interval (percentiles) of the mean over data sets of their mean differences.

    Stratified: the splits of each set are resampled, independently of the other sets; the sets themselves are fixed. Of
    n splits, n - 1 are sampled with replacement (McCarthy and Snowden, 1985): that gives their mean the variance of the
    usual estimate, sample variance / n, where n of n would make it too small by (n - 1) / n. So the standard error is
    ``sqrt(sum of squared standard errors) / sets``, but for the noise of the resampling.

    Args:
        differences: one per split, for each data set.

    Returns:
        None and None where a set has only one split. The same differences always give the same numbers.
    """
    if min(map(len, differences)) < 2:
        return None, None
    random = np.random.default_rng(0)
    samples = [random.choice(splits, size=(RESAMPLES, len(splits) - 1)).mean(axis=1) for splits in differences]
    pooled = np.mean(samples, axis=0)
    low, high = np.quantile(pooled, (0.025, 0.975))
    return float(pooled.std()), (float(low), float(high))


def pooled_lines(
    by_network: Mapping[str, Sequence[FinalResult]], strategies: Collection[str] = (), against: str = HAND
) -> list[Line]:
    """For each network and strategy a line per data set and, where there are several, the pooled one.

    Args:
        by_network: final trainings; networks are never pooled.
        strategies: those to be shown; empty: all.

    Raises:
        BadInput: the baseline was not trained on a data set, or a strategy was not compared with it.
    """
    lines: list[Line] = []
    for network, finals in by_network.items():
        rows = summarise(with_best_of_seeds(finals), [against])
        without = {row.dataset for row in rows} - {row.dataset for row in rows if row.strategy == against}
        if without:
            where = f"{', '.join(sorted(without))} ({network})"
            raise BadInput(f"--against {against}: not trained on {where}; leave that comparison out, or go on with it")
        for name in dict.fromkeys(row.strategy for row in rows):
            own = {row.dataset: row.differences.get(against) for row in rows if row.strategy == name}
            paired = {dataset: differences for dataset, differences in own.items() if differences}
            lines += lines_of(network, name, paired)
    if not lines:
        raise BadInput(f"--against {against}: there is nothing to compare it with yet; go on with the comparison")
    there = dict.fromkeys(line.strategy for line in lines)
    for name in strategies:
        if name not in there:
            raise BadInput(f"--strategy {name}: not compared with {against} yet; there are {'; '.join(there)}")
    return [line for line in lines if not strategies or line.strategy in strategies]


def read_by_network(folders: Iterable[Path]) -> dict[str, list[FinalResult]]:
    """The final trainings of several comparisons, by their networks.

    Raises:
        BadInput: a folder is damaged or empty, or two have the same data set with the same network.
    """
    by_network: dict[str, list[FinalResult]] = defaultdict(list)
    sources: dict[tuple[str, str], Path] = {}
    for folder in folders:
        finals = read_final_results(folder)
        if not finals:
            raise BadInput(f"{folder}: no result of a search is trained in full yet")
        network = str(finals[0].search.structure.network)
        for dataset in sorted({final.key.dataset for final in finals}):
            if (network, dataset) in sources:
                other = sources[network, dataset]
                raise BadInput(f"{folder}: has {dataset} with {network}, as {other} has: name only one of them")
            sources[network, dataset] = folder
        by_network[network] += finals
    return by_network


def text_table(lines: Sequence[Line], against: str) -> str:
    """The lines as aligned text, with what they mean below."""
    table = [["network", "strategy", "data set", "splits", f"- {against}", "s.e.", "95 % interval", "beyond 2 s.e."]]
    for line in lines:
        dataset = line.dataset if line.dataset != POOLED else f"(pooled over {line.sets} sets)"
        error = "" if line.standard_error is None else f"{line.standard_error:.2f}"
        interval = "{:+.2f} to {:+.2f}".format(*line.interval) if line.interval else ""
        about = [line.network, line.strategy, dataset, str(line.splits)]
        table.append([*about, f"{line.difference:+.2f}", error, interval, line.beyond_two_errors])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    text = ["  ".join(map(str.ljust, cells, widths)).rstrip() for cells in table]
    return "\n".join([*text, "", ABOUT])


def main() -> None:
    """Pool comparisons over their data sets: each strategy's difference to the baseline, on each set and on all."""
    parser = command_parser(
        "studies.search_quality.pooled", main.__doc__, "runs/50salads runs/hmr --strategy differentiable"
    )
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="of a comparison: its --output")
    parser.add_argument("--strategy", nargs="+", default=[], metavar="NAME", help="(default: all that there are)")
    parser.add_argument("--against", default=HAND, metavar="NAME", help="the baseline (default: %(default)s)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="also writes the table there, as CSV")
    arguments = parser.parse_args()
    for folder in arguments.folders:
        if scored_on(folder) != "test":
            raise BadInput(
                f"{folder}: scored on validation videos, which only the claim of a choice needs: give it to "
                "studies.search_quality.bars, and leave it out here"
            )
    lines = pooled_lines(read_by_network(arguments.folders), arguments.strategy, arguments.against)
    if arguments.output is not None:
        write_text(arguments.output, csv_text([line.describe(arguments.against) for line in lines]))
    print(text_table(lines, arguments.against))


if __name__ == "__main__":
    run_command(main)
