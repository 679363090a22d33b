"""Searching with several seeds, and taking the structure with the best search objective."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from studies.search_quality.final_results import FinalResult
from studies.search_quality.search import SearchResult
from studies.search_quality.strategy_names import LOCAL

BEST_OF = ", best of "

BySplit = dict[int, dict[int, SearchResult]]
"""Results of one strategy on one data set: by split, then by search seed."""

Number = TypeVar("Number", int, float)


def with_best_of_seeds(finals: Sequence[FinalResult]) -> list[FinalResult]:
    """Adds a strategy ``NAME, best of 3`` to the results: the final trainings of each split's best search.

    The best is chosen on validation videos. A local search is included where its start is the best, since only that one
    would be refined. The epochs and seconds of all the searches count. A strategy is left out where its splits have
    different numbers of searches, only one, or no objectives; a local search also until each split's best start is
    refined.
    """
    searches: dict[tuple[str, str], BySplit] = defaultdict(lambda: defaultdict(dict))
    for final in finals:
        key = final.key
        searches[key.dataset, key.strategy][key.split][key.seed] = final.search
    best: dict[tuple[str, str], dict[int, int]] = {}
    for (dataset, strategy), refined in searches.items():
        started = searches.get((dataset, strategy.removesuffix(LOCAL)), {})
        seeds = _best_seeds(started)
        complete = all(seed in refined[split] for split, seed in seeds.items())
        best[dataset, strategy] = seeds if complete else {}
    added = []
    for final in finals:
        key = final.key
        if best[key.dataset, key.strategy].get(key.split) == key.seed:
            rivals = searches[key.dataset, key.strategy.removesuffix(LOCAL)][key.split]
            every = [final.search, *(result for seed, result in rivals.items() if seed != key.seed)]
            epochs, seconds = _sum(result.epochs for result in every), _sum(result.seconds for result in every)
            name = f"{key.strategy}{BEST_OF}{len(rivals)}"
            search = replace(final.search, epochs=epochs, seconds=seconds)
            added.append(replace(final, key=replace(key, strategy=name, seed=0), search=search))
    return [*finals, *added]


def _best_seeds(by_split: BySplit) -> dict[int, int]:
    """By split; of equals the earlier, as in ``analysis.export``. Empty where searches cannot be compared."""
    numbers = {len(results) for results in by_split.values()}
    known = all(result.objective is not None for results in by_split.values() for result in results.values())
    if not known or len(numbers) != 1 or numbers == {1}:
        return {}
    return {
        split: max(sorted(results.items(), key=lambda item: item[0]), key=lambda item: item[1].objective or 0.0)[0]
        for split, results in by_split.items()
    }


def _sum(values: Iterable[Number | None]) -> Number | None:
    """None if one of them is unknown."""
    total: Number | None = 0
    for value in values:
        total = None if total is None or value is None else total + value
    return total
