from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from studies.ranking.successive_halving import Halving, gains, jackknife_error, report
from trials.training.metrics import METRICS


def test_halving_by_hand() -> None:
    #                  epoch: 1  2  3
    scores = np.array([[9.0, 1.0, 9.0], [1.0, 9.0, 9.9], [8.0, 2.0, 3.0], [7.0, 8.0, 7.0]])
    # Of four after one epoch 0 and 2 go on, of these 2 to the third epoch, where it is alone.
    assert Halving((1, 2, 3), 2).choose(scores) == (2, 4 + 2 + 1)
    assert Halving((2,), 1).choose(scores) == (1, 8)
    assert Halving((3,), 1).choose(scores) == (1, 12)
    # A factor beyond the number leaves one.
    assert Halving((1, 3), 9).choose(scores) == (0, 4 + 2)


def test_gain_of_a_perfect_and_of_a_wrong_choice() -> None:
    test = np.array([[float(rank)] * 2 for rank in range(6)])
    validation = np.stack([test, -test], axis=2)
    # All six are drawn: the best is 2.5 above their mean, the worst as far below.
    assert gains(Halving((1,), 1), validation, test, 6) == pytest.approx((2.5, 6))
    assert gains(Halving((2,), 1), validation, test, 6) == pytest.approx((-2.5, 12))


def test_a_choice_does_not_see_the_seed_that_it_is_measured_by() -> None:
    # What one seed likes, the other does not.
    test = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert gains(Halving((1,), 1), test[:, :, None], test, 2) == pytest.approx((-0.5, 2))


def test_report_leaves_out_hand_and_what_was_not_trained_long_enough() -> None:
    results: dict[tuple[str, int], dict[str, Any]] = {}
    for rank, name in enumerate(("hand", "random0", "random1", "random2")):
        for seed in (0, 1):
            metrics = dict.fromkeys(METRICS, float(-rank if rank else 99))
            results[name, seed] = {"history": [metrics] * 12, "test": metrics}
    lines = report(results, (0, 1)).splitlines()
    assert [line[:14] for line in lines[1:-1]] == ["5 epochs each ", "10 epochs each"]
    # Of any two of -1, -2, -3 the better is chosen: 0.5 or 1 above their mean, (0.5 + 0.5 + 1) / 3 on average.
    assert [float(line.split()[-3]) for line in lines[1:-1]] == pytest.approx([2 / 3] * 2, abs=0.06)


def test_jackknife_by_hand() -> None:
    test = np.array([[value] * 2 for value in (0.0, 2.0, 6.0)])
    # Without one of them, the better of the other two is 2, 3 or 1 above their mean: variance 2/3, times 3 - 1.
    assert jackknife_error(Halving((1,), 1), test[:, :, None], test, 2) == pytest.approx((4 / 3) ** 0.5)
