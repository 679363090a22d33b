from __future__ import annotations

from matplotlib.container import ErrorbarContainer

from nas_space.shape import MSTCNShape
from nas_space.structure import Structure
from studies.search_quality.preferences import draw_dilations, text_fields
from studies.search_quality.search import Place, Winner
from studies.search_quality.table import summarise
from studies.search_quality.trainings import Cell
from tests.analysis.plots.texts import assert_legible
from trials.training.metrics import METRICS

SHAPE = MSTCNShape(2, 3)


def trained(dataset: str, strategy: str, seed: int, final_seed: int, structure: Structure) -> Cell:
    place, winner = Place(dataset, strategy, 1, seed), Winner(structure, 1, 1.0)
    return Cell(place, final_seed, winner, dict.fromkeys(METRICS, 50.0))


def cell(strategy: str, seed: int, final_seed: int, *dilations: int) -> Cell:
    return trained("small", strategy, seed, final_seed, Structure(dilations, SHAPE))


CELLS = [
    *(cell("random", 0, final_seed, 1, 2, 4, 8, 16, 32) for final_seed in range(5)),
    cell("random", 1, 0, 4, 2, 4, 8, 16, 64),
    cell("random", 2, 0, 16, 2, 4, 8, 16, 128),
    cell("hand", 0, 0, 1, 2, 4, 1, 2, 4),
]
ROWS = summarise(CELLS)


def test_a_winner_counts_once_however_often_it_is_trained() -> None:
    hand, random = ROWS
    assert (hand.strategy, random.strategy) == ("hand", "random")
    assert [winner.structure.dilations[0] for winner in random.winners] == [1, 4, 16]


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


def test_many_strategies_and_data_sets_stay_legible() -> None:
    strategies = ("hand", "random", "genetic", "tpe", "evolution", "differentiable")
    usual, large = (Structure.hand(MSTCNShape(*size)) for size in ((4, 10), (8, 20)))
    cells = [trained(dataset, name, seed, 0, usual) for dataset in "ab" for name in strategies for seed in range(3)]
    assert_legible(draw_dilations(summarise(cells)))
    assert_legible(draw_dilations(summarise([trained("large", name, 0, 0, large) for name in ("hand", "random")])))
