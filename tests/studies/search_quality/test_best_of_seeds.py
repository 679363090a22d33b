from __future__ import annotations

from nas_space.structure import Structure
from studies.search_quality.best_of_seeds import with_best_of_seeds
from studies.search_quality.figure import draw_differences
from studies.search_quality.final_results import FinalResult
from studies.search_quality.search import SearchKey, SearchResult
from studies.search_quality.table import summarise
from tests.analysis.plots.texts import assert_legible
from tests.studies.search_quality.conftest import NETWORK
from trials.training.metrics import METRICS


def final(
    strategy: str, split: int, seed: int, objective: float | None, value: float, epochs: int | None = 30
) -> FinalResult:
    """A final training; each search has found a structure of its own."""
    structure = Structure((1 + seed, split, 1, 1, 1, 1), NETWORK)
    winner = SearchResult(structure, epochs, None if epochs is None else 2.0 * epochs, objective)
    return FinalResult(SearchKey("small", strategy, split, seed), 0, winner, dict.fromkeys(METRICS, value))


def best(finals: list[FinalResult]) -> list[tuple[str, int, float, int | None, float | None]]:
    """What is added."""
    added = with_best_of_seeds(finals)[len(finals) :]
    return [(one.key.strategy, one.key.split, one.mean, one.search.epochs, one.search.seconds) for one in added]


SEARCHES = [
    *(final("differentiable", 1, seed, objective, 60.0 + seed) for seed, objective in enumerate((50.0, 52.0, 51.0))),
    *(final("differentiable", 2, seed, objective, 70.0 + seed) for seed, objective in enumerate((40.0, 39.0, 40.0))),
]


def test_the_best_on_validation_videos_counts_for_each_split_and_all_searches_are_paid() -> None:
    """Of equals the earlier; what the test videos say has no part in it."""
    assert best(SEARCHES) == [
        ("differentiable, best of 3", 1, 61.0, 90, 180.0),
        ("differentiable, best of 3", 2, 70.0, 90, 180.0),
    ]


def test_every_final_training_of_the_best_counts() -> None:
    again = FinalResult(SEARCHES[1].key, 1, SEARCHES[1].search, dict.fromkeys(METRICS, 63.0))
    assert [row[:3] for row in best([*SEARCHES[:3], again])] == [
        ("differentiable, best of 3", 1, 61.0),
        ("differentiable, best of 3", 1, 63.0),
    ]


def test_a_local_search_is_kept_where_its_start_is_the_best() -> None:
    """Its own 30 epochs come once; 60 are those of its start, too."""
    refined = [final("differentiable+local", 1, seed, None, 80.0 + seed, 60) for seed in range(3)]
    assert best([*SEARCHES[:3], *refined])[1:] == [("differentiable+local, best of 3", 1, 81.0, 120, 240.0)]
    assert best(refined) == []  # nobody knows its starts
    assert len(best([*SEARCHES, *refined])) == 2  # of split 2 nothing is refined


def test_strategies_that_cannot_be_compared_are_left_out() -> None:
    assert best(SEARCHES[:4]) == []  # three searches and one
    assert best([SEARCHES[0], SEARCHES[3]]) == []  # one each
    assert best([*SEARCHES[:2], final("differentiable", 1, 2, None, 62.0)]) == []
    assert best([final("hand", split, 0, None, 50.0, 0) for split in (1, 2)]) == []


def test_unknown_costs_stay_unknown() -> None:
    assert best([SEARCHES[0], final("differentiable", 1, 1, 60.0, 61.0, None)])[0][3:] == (None, None)


def test_the_table_shows_them_after_the_searches_one_by_one() -> None:
    refined = [final("differentiable+local", 1, seed, None, 80.0, 60) for seed in range(3)]
    others = [final("ours", 1, 0, None, 50.0), final("hand", 1, 0, None, 50.0, 0)]
    rows = summarise(with_best_of_seeds([*SEARCHES[:3], *refined, *others]))
    assert [row.strategy for row in rows] == [
        "hand",
        "differentiable",
        "differentiable+local",
        "differentiable, best of 3",
        "differentiable+local, best of 3",
        "ours",
    ]
    assert rows[3].differences["hand"] == [11.0]


def test_the_figure_tells_them_apart() -> None:
    refined = [final("differentiable+local", 1, seed, None, 80.0, 60) for seed in range(3)]
    hand = final("hand", 1, 0, None, 50.0, 0)
    figure = draw_differences(summarise(with_best_of_seeds([*SEARCHES[:3], *refined, hand])))
    assert_legible(figure)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == [
        "differentiable",
        "differentiable+local",
        "differentiable, best of 3",
        "differentiable+local, best of 3",
    ]
