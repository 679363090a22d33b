from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes

from analysis.history import History, read_history
from analysis.plots.population import MOST_MOMENTS, Convergence, draw_population, spread
from nas_space.network import Network
from nas_space.networks import find_network
from nni_api.records import Records
from nni_api.trial_report import TrialReport
from strategies.genetic import GeneticSearch
from tests.analysis.plots.texts import assert_legible

NETWORK = find_network("ms-tcn:stages=1,layers=2")
DILATIONS = np.array([[1, 8], [2, 8], [4, 4], [2, 16]])
OBJECTIVES = np.array([10.0, 30.0, 20.0, 40.0])
"""The two best of the first two, three and four are (1, 0), (1, 2) and (3, 1)."""


def recorded(folder: Path, network: Network, dilations: npt.NDArray[np.int64], objectives: list[float]) -> History:
    """The history of structures that were judged one after another."""
    folder.mkdir(parents=True)
    records = Records(folder)
    records.write("started", network=network.to_json())
    for uid, (layers, objective) in enumerate(zip(dilations.tolist(), objectives, strict=True)):
        structure = dict(zip(network.paths, layers, strict=True))
        records.write("proposed", uid=uid, structure=structure, generation=0, parents=[])
        result = {"trial": f"t{uid}", "metrics": {"default": objective}, "epochs": [], "seconds": 3.0}
        records.write("finished", uid=uid, structure=structure, **result)
    return read_history(folder)


def texts(axes: Axes) -> dict[tuple[float, float], str]:
    """What is written in the map, by moment and layer."""
    return {text.get_position(): text.get_text() for text in axes.texts}


@pytest.mark.parametrize(
    ("dilations", "expected"),
    [
        ([1, 1, 2, 4], (1.5, 1, 50.0)),  # 1/2 x 1 bit + 2 x 1/4 x 2 bits
        ([64, 64, 64], (0.0, 64, 100.0)),
        ([4, 2, 4, 2], (1.0, 2, 50.0)),
        ([1, 2, 4, 8, 16, 32, 64, 128], (3.0, 1, 12.5)),
    ],
)
def test_spreads_by_hand(dilations: list[int], expected: tuple[float, int, float]) -> None:
    assert spread(np.array(dilations)) == pytest.approx(expected, abs=0)


@given(st.lists(st.sampled_from([1, 2, 4, 8]), min_size=1), st.randoms())
def test_the_order_does_not_matter_and_disagreement_is_bounded(dilations: list[int], random: Random) -> None:
    shuffled = random.sample(dilations, len(dilations))
    assert spread(np.array(dilations)) == spread(np.array(shuffled))
    assert 0 <= spread(np.array(dilations))[0] <= np.log2(len(set(dilations))) + 1e-9


def test_a_narrowing_by_hand() -> None:
    convergence = Convergence.of(DILATIONS, OBJECTIVES, size=2)
    assert convergence.evaluated == [2, 3, 4]
    assert convergence.entropies.tolist() == [[1, 1, 0], [0, 1, 1]]
    assert convergence.common.tolist() == [[1, 2, 2], [8, 4, 8]]
    assert convergence.shares.tolist() == [[50, 50, 100], [100, 50, 50]]


def test_of_equals_the_earlier_is_in_the_population() -> None:
    convergence = Convergence.of(DILATIONS, np.array([5.0, 5.0, 5.0, 5.0]), size=2)
    assert convergence.common.tolist() == [[1, 1, 1], [8, 8, 8]]


def test_the_population_is_that_of_the_search() -> None:
    random = np.random.default_rng(0)
    search = GeneticSearch({"s1l0": [1, 2, 4, 8], "s1l1": [1, 2, 4, 8]}, population_size=4, budget=15)
    dilations, objectives = [], []
    while (proposal := search.ask()) is not None:
        objectives.append(float(random.integers(5)))
        dilations.append(list(proposal.dilations.values()))
        search.tell(proposal.uid, TrialReport(metrics={"default": objectives[-1]}))
    parents = np.array([dilations[uid] for _, uid in search._population])
    convergence = Convergence.of(np.array(dilations), np.array(objectives), size=4)
    assert convergence.entropies[:, -1].tolist() == [spread(layer)[0] for layer in parents.T]


def test_the_figure_shows_where_layers_were_decided(tmp_path: Path) -> None:
    history = recorded(tmp_path / "checkpoint", NETWORK, DILATIONS, OBJECTIVES.tolist())
    figure = draw_population("Ab3dE", history, size=2)
    maps, means = figure.axes[:2]
    assert [label.get_text() for label in maps.get_yticklabels()] == ["s1l0", "s1l1"]
    assert texts(maps) == {(2, 0): "2", (0, 1): "8"}
    colours = np.asarray(maps.images[0].get_array())
    assert (colours[0, 0] == colours[0, 1]).all()
    assert (colours[0, 2] == colours[1, 0]).all()
    assert not (colours[0, 0] == colours[0, 2]).all()
    (last,) = maps.child_axes
    assert [label.get_text() for label in last.get_yticklabels()] == ["2 (100 %)", "8 (50 %)"]
    assert np.asarray(means.lines[0].get_ydata()).tolist() == [0.5, 1, 0.5]
    assert [label.get_text() for label in means.get_xticklabels()] == ["2", "3", "4"]
    assert_legible(figure)


def test_a_structure_counts_once_and_another_network_not_at_all(tmp_path: Path) -> None:
    history = recorded(tmp_path / "checkpoint", NETWORK, DILATIONS, OBJECTIVES.tolist())
    again = {"trial": "again", "metrics": {"default": 99.0}, "epochs": [], "seconds": 3.0}
    for structure in ({"s1l0": 1, "s1l1": 8}, {"s1l0": 64}):
        Records(tmp_path / "checkpoint").write("finished", uid=None, structure=structure, **again)
    figures = [draw_population("Ab3dE", each, 2) for each in (history, read_history(tmp_path / "checkpoint"))]
    first, second = ([texts(figure.axes[0]), figure.axes[1].lines[0].get_ydata()] for figure in figures)
    assert str(first) == str(second)


@pytest.mark.parametrize(
    ("network", "trials"),
    [("ms-tcn:stages=2,layers=5", 1), ("ms-tcn:stages=2,layers=5", 24), ("ms-tcn", 300), ("ms-tcn++", 30)],
)
def test_maps_are_legible(tmp_path: Path, network: str, trials: int) -> None:
    random, described = np.random.default_rng(0), find_network(network)
    dilations = 2 ** random.integers(11, size=(trials, len(described.layers)))
    history = recorded(tmp_path / "checkpoint", described, dilations, random.uniform(0, 100, trials).tolist())
    figure = draw_population("Ab3dE", history, size=8)
    assert len(figure.axes[1].get_xticklabels()) == min(MOST_MOMENTS, max(trials - 7, 1))
    assert_legible(figure)
