from __future__ import annotations

from matplotlib.container import ErrorbarContainer

from nas_space.networks import find_network
from nas_space.structure import Structure
from studies.search_quality.final_results import FinalResult
from studies.search_quality.preferences import draw_dilations, text_fields
from studies.search_quality.search import SearchKey, SearchResult
from studies.search_quality.table import summarise
from tests.analysis.plots.texts import assert_legible
from trials.training.metrics import METRICS

NETWORK = find_network("ms-tcn:stages=2,layers=3")


def trained(dataset: str, strategy: str, seed: int, final_seed: int, structure: Structure) -> FinalResult:
    key, winner = SearchKey(dataset, strategy, 1, seed), SearchResult(structure, 1, 1.0)
    return FinalResult(key, final_seed, winner, dict.fromkeys(METRICS, 50.0))


def final(strategy: str, seed: int, final_seed: int, *dilations: int) -> FinalResult:
    return trained("small", strategy, seed, final_seed, Structure(dilations, NETWORK))


CELLS = [
    *(final("random", 0, final_seed, 1, 2, 4, 8, 16, 32) for final_seed in range(5)),
    final("random", 1, 0, 4, 2, 4, 8, 16, 64),
    final("random", 2, 0, 16, 2, 4, 8, 16, 128),
    final("hand", 0, 0, 1, 2, 4, 1, 2, 4),
]
ROWS = summarise(CELLS)


def test_a_winner_counts_once_however_often_it_is_trained() -> None:
    hand, random = ROWS
    assert (hand.strategy, random.strategy) == ("hand", "random")
    assert [winner.structure.dilations[0] for winner in random.results] == [1, 4, 16]


def test_medians_of_the_receptive_fields() -> None:
    lines = text_fields(ROWS).splitlines()
    assert lines[0] == "small"
    # hand: 1 + 2 (1 + 2 + 4) = 15 a stage, 1 + 2 x 14 = 29 in all.
    assert lines[2].split() == ["hand", "15", "15", "29"]
    # random: the winner in the middle begins with 4 and ends with 64: 1 + 2 (4 + 2 + 4) and 1 + 2 (8 + 16 + 64).
    assert lines[3].split() == ["random", "3", "21", "177", "197"]


def test_each_strategy_is_drawn_with_its_quartiles_beside_hand() -> None:
    figure = draw_dilations(ROWS)
    (axes,) = figure.axes
    stages = [list(line.get_ydata()) for line in axes.lines if line.get_drawstyle() == "steps-mid"]  # type: ignore[arg-type]
    assert stages == [[1, 2, 4], [1, 2, 4]]
    (random,) = [drawn for drawn in axes.containers if isinstance(drawn, ErrorbarContainer)]
    middle, _, (bars,) = random.lines
    assert middle is not None
    assert list(middle.get_ydata()) == [4, 2, 4, 8, 16, 64]  # type: ignore[arg-type]
    # A quarter of the way from 1 to 4 to 16, on a logarithmic scale, lies 2.
    low, high = bars.get_segments()[0][:, 1]
    assert (low, high) == (2, 8)


def test_a_layer_that_is_left_out_is_drawn_at_a_half() -> None:
    (axes,) = draw_dilations(summarise([*CELLS[-1:], final("random", 0, 0, 0, 2, 4, 8, 0, 32)])).axes
    (random,) = [drawn for drawn in axes.containers if isinstance(drawn, ErrorbarContainer)]
    assert random.lines[0] is not None
    assert list(random.lines[0].get_ydata()) == [0.5, 2, 4, 8, 0.5, 32]  # type: ignore[arg-type]


def test_many_strategies_and_data_sets_stay_legible() -> None:
    strategies = ("hand", "random", "genetic", "tpe", "evolution", "differentiable")
    usual, large = (Structure.hand(find_network(text)) for text in ("ms-tcn", "ms-tcn:stages=8,layers=20"))
    finals = [trained(dataset, name, seed, 0, usual) for dataset in "ab" for name in strategies for seed in range(3)]
    assert_legible(draw_dilations(summarise(finals)))
    assert_legible(draw_dilations(summarise([trained("large", name, 0, 0, large) for name in ("hand", "random")])))


def test_blocks_may_differ_in_length() -> None:
    """Two dual layers, then a refinement stage of one layer that the frames pass twice."""
    network = find_network("ms-tcn++:prediction=2,refinements=2,layers=1,shared=1")
    structures = (Structure.hand(network), Structure((1, 3, 5, 2, 4), network))
    names = ("hand", "random")
    rows = summarise([trained("small", name, 0, 0, one) for name, one in zip(names, structures, strict=True)])
    lines = text_fields(rows).splitlines()
    assert lines[1].split() == ["searches", "stage", "1", "stage", "2", "network"]
    # hand: 1 + 2 (2 + 2) and 1 + 2 x 2 x 1; random: 1 + 2 (3 + 5) and 1 + 2 x 2 x 4.
    assert [line.split() for line in lines[2:4]] == [["hand", "9", "5", "13"], ["random", "1", "17", "17", "33"]]
    figure = draw_dilations(rows)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["l0", "l0", "l1", "l1", "l0"]
    stages = [list(line.get_ydata()) for line in axes.lines if line.get_drawstyle() == "steps-mid"]  # type: ignore[arg-type]
    assert stages == [[2, 1, 1, 2], [1]]
    assert_legible(figure)
