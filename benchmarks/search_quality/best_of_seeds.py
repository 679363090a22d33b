"""What a user gets who searches with several seeds and keeps the winner that its search scored best."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from benchmarks.search_quality.search import Winner
from benchmarks.search_quality.trainings import Cell
from benchmarks.search_quality.work import LOCAL

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
    added = []
    for cell in cells:
        place = cell.place
        started = searches.get((place.dataset, place.strategy.removesuffix(LOCAL)), {})
        best = {split: _best_seed(winners) for split, winners in started.items()}
        refined = searches[place.dataset, place.strategy]
        if not _comparable(started) or any(seed not in refined[split] for split, seed in best.items()):
            continue
        if place.seed == best[place.split]:
            rivals = started[place.split]
            others = [winner for seed, winner in rivals.items() if seed != place.seed]
            own = replace(
                cell.winner,
                epochs=_sum(winner.epochs for winner in (cell.winner, *others)),
                seconds=_sum(winner.seconds for winner in (cell.winner, *others)),
            )
            name = f"{place.strategy}{BEST_OF}{len(rivals)}"
            added.append(replace(cell, place=replace(place, strategy=name, seed=0), winner=own))
    return [*cells, *added]


def _comparable(by_split: BySplit) -> bool:
    numbers = {len(winners) for winners in by_split.values()}
    judged = all(winner.objective is not None for winners in by_split.values() for winner in winners.values())
    return judged and len(numbers) == 1 and max(numbers) > 1


def _best_seed(winners: dict[int, Winner]) -> int:
    """Of equals the earlier, as ``analysis.export`` has it."""
    return max(sorted(winners), key=lambda seed: winners[seed].objective or 0.0)


def _sum(values: Iterable[Number | None]) -> Number | None:
    """Of all; None where one is unknown."""
    total: Number | None = 0
    for value in values:
        total = None if total is None or value is None else total + value
    return total
