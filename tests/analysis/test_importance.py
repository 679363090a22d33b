from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.ensemble import RandomForestRegressor

from analysis import importance
from analysis.importance import Importance


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importance, "TREES", 60)


def sampled(trials: int, layers: int) -> npt.NDArray[np.int64]:
    return 2 ** np.random.default_rng(0).integers(0, 7, size=(trials, layers))


def test_the_layer_that_decides_is_found_again_and_again() -> None:
    dilations = sampled(60, 3)
    scores = 5 * np.log2(dilations[:, 1]) + np.random.default_rng(1).normal(size=60)
    found = Importance.of(dilations, scores)
    assert found.tells
    assert found.trials == 60
    # Without the one layer that decides, predictions are no better than another trial's score: R² near -1.
    assert found.drops[1] > 1
    assert np.abs(found.drops[[0, 2]]).max() < 0.1
    again = Importance.of(dilations, scores)
    assert (again.r2, again.tau, again.drops.tolist()) == (found.r2, found.tau, found.drops.tolist())


def test_the_fit_is_that_of_the_forest_itself_out_of_bag() -> None:
    dilations = sampled(40, 2)
    scores = dilations[:, 0] + np.random.default_rng(1).normal(size=40) * 20
    forest = RandomForestRegressor(60, max_features=1 / 3, random_state=0, oob_score=True)
    forest.fit(np.log2(dilations), scores)
    assert Importance.of(dilations, scores).r2 == pytest.approx(forest.oob_score_)


def test_scores_without_a_reason_tell_nothing() -> None:
    assert not Importance.of(sampled(40, 4), np.random.default_rng(1).normal(size=40)).tells


def test_a_layer_may_be_left_out() -> None:
    dilations = sampled(40, 2)
    dilations[::2, 0] = 0
    found = Importance.of(dilations, (dilations[:, 0] > 0).astype(np.float64))
    assert found.tells
    assert found.drops.argmax() == 0


@pytest.mark.parametrize(("r2", "tau", "tells"), [(0.1, 0.3, True), (0.0, 0.9, False), (0.9, 0.2, False)])
def test_both_measures_must_be_beyond_chance(r2: float, tau: float, tells: bool) -> None:
    """Of 32 trials, unrelated rankings reach a tau of 1.96 sqrt(2 x 69 / (9 x 32 x 31)) = 0.244."""
    assert Importance(32, r2, tau, np.zeros(2), np.zeros(2)).tells == tells
