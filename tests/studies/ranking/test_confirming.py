from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from common.bad_input import BadInput
from studies.ranking.confirming import divisions, gains, jackknife_error, report
from trials.training.metrics import METRICS


def test_each_seed_has_one_part() -> None:
    parts = list(divisions(5, 3))
    assert len(parts) == 5 * 4  # one searches, and any three of the other four confirm
    assert all(sorted([first, *confirming, *left]) == [0, 1, 2, 3, 4] for first, confirming, left in parts)


def test_a_confirmation_corrects_a_first_score_that_is_noise() -> None:
    # Each seed takes the structure of its own number for the best; the others know that 3 is.
    test = np.tile(np.array([[0.0], [0.0], [0.0], [8.0]]), (1, 3))
    early = test.copy()
    for seed in range(3):
        early[seed, seed] = 20.0
    # Above the mean of 2: the first choice is -2. Another seed, which likes another one, confirms 3 of the two best.
    assert gains(early, test, 2, 1) == pytest.approx((-2.0, 6.0))


def test_a_confirmation_of_one_structure_changes_nothing() -> None:
    scores = np.random.default_rng(0).normal(size=(5, 4))
    plain, chosen = gains(scores, scores, 1, 2)
    assert plain == chosen


def test_what_is_measured_has_no_part_in_the_choice() -> None:
    # Were the seed that is measured by also asked, 0 would be chosen.
    early = np.array([[5.0, 0.0, 100.0], [4.0, 1.0, -100.0]])
    (first, confirming, left), *_ = divisions(3, 1)
    assert (first, confirming, left) == (0, [1], [2])
    assert gains(early, early, 2, 1)[1] == pytest.approx(
        np.mean([early[chosen, left] - early[:, left].mean() for chosen, left in choices(early)])
    )


def choices(early: Any) -> list[tuple[int, int]]:
    """The structure that one seed confirms of both, and the seed that is left."""
    return [(int(np.argmax(early[:, c])), 3 - f - c) for f in range(3) for c in range(3) if c != f]


def test_jackknife_by_hand() -> None:
    test = np.tile(np.array([[0.0], [0.0], [0.0], [8.0]]), (1, 3))
    early = test.copy()
    for seed in range(3):
        early[seed, seed] = 20.0
    # Without one of the first three, a confirmation adds (4 x 8 + 0 - 8) / 6 = 4; without the best, nothing: the
    # variance of 4, 4, 4, 0 is 3, times 4 - 1.
    assert jackknife_error(early, test, 2, 1) == pytest.approx(3.0)


def test_report_leaves_out_hand_and_needs_three_seeds() -> None:
    results: dict[tuple[str, int], dict[str, Any]] = {}
    for rank, name in enumerate(("hand", "random0", "random1", "random2")):
        for seed in (0, 1, 2):
            metrics = dict.fromkeys(METRICS, float(-rank if rank else 99))
            results[name, seed] = {"history": [metrics] * 2, "test": metrics}
    lines = report(results, (0, 1, 2)).splitlines()
    assert [line.split()[3:5] for line in lines[1:-1]] == [["+1.0", "+1.0"]] * 2
    assert "above the mean of 3 structures; the 3 best by one seed, 1 others confirm" in lines[-1]
    with pytest.raises(BadInput, match="--seeds: at least 3"):
        report(results, (0, 1))
