"""What a user gets who searches with several seeds and keeps the winner that its search scored best."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from studies.search_quality.search import Winner
from studies.search_quality.strategy_names import LOCAL
from studies.search_quality.trainings import Cell

BEST_OF = ", best of "

BySplit = dict[int, dict[int, Winner]]
"""Winners of one strategy on one data set: of each split, by search seed."""

Number = TypeVar("Number", int, float)


def with_best_of_seeds(cells: Sequence[Cell]) -> list[Cell]:
    """The cells, and once more those of each split's best search, as a strategy of its own: ``NAME, best of 3``.

    The best on validation videos. A local search is kept where its start is the best, since only that one would be
    refined. The epochs and seconds of all the searches count. A strategy is left out where its splits have different
    numbers of searches, only one, or no objectives; a local search also until each split's best start is refined.
    """
    searches: dict[tuple[str, str], BySplit] = defaultdict(lambda: defaultdict(dict))
    for cell in cells:
        place = cell.place
        searches[place.dataset, place.strategy][place.split][place.seed] = cell.winner
    best: dict[tuple[str, str], dict[int, int]] = {}
    for (dataset, strategy), refined in searches.items():
        started = searches.get((dataset, strategy.removesuffix(LOCAL)), {})
        seeds = _best_seeds(started)
        complete = all(seed in refined[split] for split, seed in seeds.items())
        best[dataset, strategy] = seeds if complete else {}
    added = []
    for cell in cells:
        place = cell.place
        if best[place.dataset, place.strategy].get(place.split) == place.seed:
            rivals = searches[place.dataset, place.strategy.removesuffix(LOCAL)][place.split]
            paid = [cell.winner, *(winner for seed, winner in rivals.items() if seed != place.seed)]
            epochs, seconds = _sum(winner.epochs for winner in paid), _sum(winner.seconds for winner in paid)
            name = f"{place.strategy}{BEST_OF}{len(rivals)}"
            winner = replace(cell.winner, epochs=epochs, seconds=seconds)
            added.append(replace(cell, place=replace(place, strategy=name, seed=0), winner=winner))
    return [*cells, *added]


def _best_seeds(by_split: BySplit) -> dict[int, int]:
    """Of each split; of equals the earlier, as ``analysis.export`` has it. None of searches that cannot be compared."""
    numbers = {len(winners) for winners in by_split.values()}
    judged = all(winner.objective is not None for winners in by_split.values() for winner in winners.values())
    if not judged or len(numbers) != 1 or numbers == {1}:
        return {}
    return {
        split: max(sorted(winners.items(), key=lambda item: item[0]), key=lambda item: item[1].objective or 0.0)[0]
        for split, winners in by_split.items()
    }


def _sum(values: Iterable[Number | None]) -> Number | None:
    """Of all; None where one is unknown."""
    total: Number | None = 0
    for value in values:
        total = None if total is None or value is None else total + value
    return total
