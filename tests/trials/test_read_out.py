from __future__ import annotations

from itertools import product
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_space.budget import NO_LIMITS, Budget
from nas_space.networks import find_network
from trials.read_out import read_out

NETWORK = find_network("ms-tcn:stages=1,layers=2")
CANDIDATES = {"s1l0": (1, 2, 4), "s1l1": (3, 5, 7)}


def test_the_most_probable_candidates_and_the_first_of_equals() -> None:
    learned = {"s1l0": [0.2, 0.4, 0.4], "s1l1": [0.5, 0.3, 0.2]}
    assert read_out(learned, CANDIDATES, NETWORK, NO_LIMITS).dilations == (2, 3)


@pytest.mark.parametrize(
    ("limit", "dilations"),
    [
        (23, (4, 7)),  # 1 + 2 (4 + 7)
        # A step from 4 to 2 costs ln(0.5 / 0.4) / 2 a frame, one from 7 to 5 ln(0.8 / 0.1) / 2.
        (22, (2, 7)),
        # From 2 to 1: ln(0.4 / 0.1) = 1.39; from 7 to 5: 1.04 a frame; from 7 to 3: ln(0.8 / 0.1) / 4 = 0.52.
        (18, (2, 3)),
    ],
)
def test_the_cheapest_step_is_next(limit: int, dilations: tuple[int, int]) -> None:
    learned = {"s1l0": [0.1, 0.4, 0.5], "s1l1": [0.1, 0.1, 0.8]}
    assert read_out(learned, CANDIDATES, NETWORK, Budget(network=limit)).dilations == dilations


def test_a_layer_is_left_out_where_that_is_more_probable_than_all_others_together() -> None:
    candidates = {"s1l0": (1, 0, 4), "s1l1": (0, 3, 5)}
    assert read_out({"s1l0": [0.3, 0.4, 0.3], "s1l1": [0.51, 0.4, 0.09]}, candidates, NETWORK, NO_LIMITS).dilations == (
        1,
        0,
    )


def test_a_probability_of_zero_is_possible() -> None:
    learned = {"s1l0": [0.0, 0.0, 1.0], "s1l1": [0.0, 0.0, 1.0]}
    assert read_out(learned, CANDIDATES, NETWORK, Budget(network=9)).dilations == (1, 3)


@given(st.lists(st.floats(0.01, 1), min_size=6, max_size=6), st.integers(9, 25))
def test_it_keeps_the_budget_and_is_near_the_most_probable_that_does(strengths: list[float], limit: int) -> None:
    learned = {"s1l0": strengths[:3], "s1l1": strengths[3:]}
    budget = Budget(network=limit)
    found = read_out(learned, CANDIDATES, NETWORK, budget).dilations

    def likelihood(pair: tuple[int, ...]) -> float:
        return sum(log(learned[label][CANDIDATES[label].index(d)]) for label, d in zip(learned, pair, strict=True))

    kept = [pair for pair in product(*CANDIDATES.values()) if 1 + 2 * sum(pair) <= limit]
    assert found in kept
    if limit >= 25:
        assert likelihood(found) == max(map(likelihood, kept))
