from __future__ import annotations

from pathlib import Path

import pytest

from nas_space.structure import Structure
from studies.search_quality.figure import draw_differences
from studies.search_quality.final_results import FinalResult
from studies.search_quality.search import SearchKey, SearchResult
from studies.search_quality.table import summarise, text_table
from tests.analysis.plots.texts import assert_legible
from tests.studies.search_quality.conftest import NETWORK
from trials.table import csv_text
from trials.training.metrics import METRICS


def final(strategy: str, split: int, seed: int, final_seed: int, value: float, took: int | None = None) -> FinalResult:
    winner = SearchResult(Structure.hand(NETWORK), took, None if took is None else took / 2)
    # The five metrics are -4, -2, ..., +4 around their mean.
    metrics = {name: value + 2 * index - 4 for index, name in enumerate(METRICS)}
    return FinalResult(SearchKey("small", strategy, split, seed), final_seed, winner, metrics)


CELLS = [
    *(final("ours", split, 0, 0, value) for split, value in ((1, 55.0), (2, 63.0))),
    *(final("random", split, 0, 0, value, 20) for split, value in ((1, 49.0), (2, 57.0))),
    # Split 1: 52 and 54 of one search, 60 of another; 2: 62; 3 has no hand.
    *(final("genetic", 1, 0, seed, value, 20) for seed, value in ((0, 52.0), (1, 54.0))),
    *(final("genetic", split, 1, 0, value, 24) for split, value in ((1, 59.0), (2, 62.0), (3, 90.0))),
    *(final("hand", split, 0, seed, value, 0) for split, seed, value in ((1, 0, 50.0), (1, 1, 52.0), (2, 0, 60.0))),
]


def test_differences_are_paired_over_splits_after_averaging_within_them() -> None:
    rows = {row.strategy: row for row in summarise(CELLS)}
    assert list(rows) == ["hand", "random", "genetic", "ours"]
    genetic = rows["genetic"]
    assert (genetic.splits, genetic.searches, genetic.trainings) == (3, 4, 5)
    # hand: 51 and 60; genetic: (52 + 54 + 59) / 3 = 55 and 62.
    assert genetic.differences == {"hand": [4.0, 2.0], "random": [6.0, 5.0]}
    against_hand, against_random = genetic.against("hand"), genetic.against("random")
    assert against_hand is not None
    assert against_random is not None
    # Mean 3, deviation sqrt(2), error 1; t of one degree of freedom is 12.71.
    assert against_hand.difference == 3.0
    assert against_hand.half_width == pytest.approx(12.71)
    assert against_random.difference == 5.5
    assert rows["hand"].against("hand") is None
    assert rows["random"].differences == {"hand": [-2.0, -3.0]}


def test_each_strategy_is_followed_by_what_starts_from_its_winners() -> None:
    names = ("ours+local", "hand+local", "genetic", "hand", "random+genetic+local", "random", "ours", "random+genetic")
    rows = summarise([final(name, 1, 0, 0, 50.0) for name in names])
    assert [row.strategy for row in rows] == [
        *("hand", "hand+local", "random", "random+genetic", "random+genetic+local", "genetic", "ours", "ours+local")
    ]


def test_means_deviations_and_costs() -> None:
    rows = {row.strategy: row for row in summarise(CELLS)}
    # 50, 52, 60: mean 54, deviation sqrt((16 + 4 + 36) / 2).
    assert rows["hand"].mean == pytest.approx(54)
    assert rows["hand"].deviation == pytest.approx(28**0.5)
    # One search of 20 epochs and three of 24.
    assert (rows["genetic"].epochs, rows["genetic"].seconds) == (23, 11.5)
    assert (rows["ours"].epochs, rows["ours"].seconds) == (None, None)


def test_text_and_csv(tmp_path: Path) -> None:
    rows = summarise(CELLS)
    lines = text_table(rows).splitlines()
    assert lines[0] == "small"
    assert lines[2].split()[:6] == ["hand", "2", "3", "54.0", "±", "5.3"]
    assert lines[2].split()[-2:] == ["0", "0"]
    genetic = next(line for line in lines if line.startswith("genetic"))
    assert "+3.0 (-9.7 to +15.7)" in genetic
    other = text_table(summarise(CELLS, ["genetic"]), ["genetic"]).splitlines()
    assert other[1].split()[3:] == ["-", "genetic", "epochs", "seconds"]
    assert [line.split()[6:8] for line in other if line.startswith("random")] == [["-5.5", "(-11.9"]]
    assert genetic.split()[-2:] == ["23", "12"]
    (tmp_path / "rows.csv").write_text(csv_text([row.describe() for row in rows]))
    head, _, random, *_ = (tmp_path / "rows.csv").read_text().splitlines()
    assert dict(zip(head.split(","), random.split(","), strict=True))["minus_hand"] == "-2.5"
    assert CELLS[0].describe()["mean"] == 55.0


def test_the_figure_has_a_dot_a_split_and_the_interval() -> None:
    figure = draw_differences(summarise(CELLS))
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["random", "genetic", "ours"]
    dots = [list(line.get_xdata()) for line in axes.lines if line.get_alpha() == 0.3]  # type: ignore[arg-type]
    assert dots == [[-2.0, -3.0], [4.0, 2.0], [4.0, 3.0]]
    assert_legible(figure)
