from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analysis.history import Evaluation
from analysis.plots.choices import draw_choices
from common.bad_input import BadInput
from nas_space.networks import find_network
from tests.analysis.plots.texts import assert_legible

NETWORK = find_network("ms-tcn:stages=1,layers=2")
ALL = {"s1l0": (1, 2, 8), "s1l1": (1, 2, 8)}
LEARNT = {"s1l0": [0.0, 0.25, 0.75], "s1l1": [1.0, 0.0, 0.0]}


def evaluation(structure: dict[str, int], probabilities: Any) -> Evaluation:
    return Evaluation(0, "Ab1Cd", structure, {"default": 50.0}, [], 1.0, probabilities, {"seed": 0}, 0.0)


def test_darker_is_more_probable() -> None:
    figure = draw_choices("seed 0", evaluation({"s1l0": 8, "s1l1": 1}, LEARNT), NETWORK, ALL)
    axes, _ = figure.axes
    (image,) = axes.images
    darkness = 3 - np.asarray(image.get_array())[..., :3].sum(axis=-1)
    probabilities = np.array(list(LEARNT.values()))
    assert (np.argsort(darkness, axis=None, kind="stable") == np.argsort(probabilities, axis=None, kind="stable")).all()
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "8"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["s1l0", "s1l1"]
    (right,) = axes.child_axes
    assert [label.get_text() for label in right.get_yticklabels()] == ["8 (75 %)", "1 (100 %)"]


def test_layers_with_other_candidates_share_the_columns() -> None:
    candidates = {"s1l0": (1, 2, 8), "s1l1": (1, 4, 8)}
    figure = draw_choices("seed 0", evaluation({"s1l0": 8, "s1l1": 1}, LEARNT), NETWORK, candidates)
    axes, _ = figure.axes
    (image,) = axes.images
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "4", "8"]
    shown = np.asarray(image.get_array())[..., :3].sum(axis=-1)
    assert shown[0, 2] == shown[1, 1] == shown[1, 3] == shown.max()


@pytest.mark.parametrize("candidates", [2, 11, 24, 25, 100])
@pytest.mark.parametrize("network", ["ms-tcn:stages=1,layers=1", "ms-tcn", "ms-tcn++"])
def test_many_candidates_are_legible(candidates: int, network: str) -> None:
    described, dilations = find_network(network), [2048 - index for index in range(candidates)]
    learnt = dict.fromkeys(described.paths, [1 / candidates] * candidates)
    found = evaluation(dict.fromkeys(described.paths, 2048), learnt)
    assert_legible(draw_choices("x" * 50, found, described, dict.fromkeys(described.paths, dilations)))


@pytest.mark.parametrize(
    ("structure", "probabilities"),
    [
        ({"s1l0": 8, "s1l1": 1}, None),
        ({"s1l0": 8, "s1l1": 1}, {"s1l0": [0.0, 0.25, 0.75]}),
        ({"s1l0": 8, "s1l1": 1}, {**LEARNT, "s1l1": [0.5, 0.5]}),
        ({"s1l0": 8, "s1l1": 4}, LEARNT),
    ],
)
def test_records_without_probabilities_are_refused(structure: dict[str, int], probabilities: Any) -> None:
    with pytest.raises(BadInput, match="trial Ab1Cd: its probabilities do not match its candidates"):
        draw_choices("seed 0", evaluation(structure, probabilities), NETWORK, ALL)
