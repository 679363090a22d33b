from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.history import read_history
from analysis.plots.budget_correlation import BudgetCorrelation, draw_budget_correlation, epoch_scores
from nni_api.records import Records
from tests.analysis.plots.texts import assert_legible


def test_correlations_by_hand() -> None:
    last = [1.0, 2.0, 3.0, 4.0]
    scores = np.array([last[::-1], [1.0, 3.0, 2.0, 4.0], last]).T
    correlation = BudgetCorrelation.of(scores)
    assert (correlation.trials, correlation.epochs) == (4, 3)
    assert correlation.taus == pytest.approx([-1, 4 / 6])  # of six pairs, one is in the other order
    assert correlation.found == [0, 1]  # the best one of four


def test_only_trials_of_the_usual_length_with_all_their_scores_count(tmp_path: Path) -> None:
    records = Records(tmp_path)
    reported: list[list[float | None]] = [[1.0, 2.0], [3.0], [4.0, None], [5.0, 6.0]]
    for uid, scores in enumerate(reported):
        epochs = [{} if score is None else {"default": score} for score in scores]
        result = {"trial": f"t{uid}", "metrics": {"default": 9.0}, "epochs": epochs, "seconds": None}
        records.write("finished", uid=uid, structure={"s1l0": 1}, **result)
    assert epoch_scores(read_history(tmp_path)).tolist() == [[1, 2], [5, 6]]


def test_without_trials_there_are_no_scores(tmp_path: Path) -> None:
    Records(tmp_path).write("started")
    assert epoch_scores(read_history(tmp_path)).shape == (0, 0)


@pytest.mark.parametrize("epochs", [2, 8, 50])
def test_every_epoch_but_the_last_has_its_point(epochs: int) -> None:
    scores = np.random.default_rng(0).normal(size=(30, epochs)).cumsum(axis=1)
    correlation = BudgetCorrelation.of(scores)
    figure = draw_budget_correlation("Ab3dE", correlation)
    (axes,) = figure.axes
    assert axes.lines[0].get_xydata() == pytest.approx(np.array(list(enumerate(correlation.taus, start=1))))
    assert axes.lines[1].get_ydata() == pytest.approx(correlation.found)
    assert_legible(figure)
