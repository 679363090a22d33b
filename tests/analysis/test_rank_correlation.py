from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from analysis.rank_correlation import chance_tau, kendall_tau


def test_kendall_tau_by_hand() -> None:
    # Of the pairs ab, ac, ad, bc, bd, cd only bc is in the other order: (5 - 1) / 6.
    assert kendall_tau([1, 2, 3, 4], [10, 30, 20, 40]) == pytest.approx(4 / 6)


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=8, unique=True))
def test_kendall_tau_of_a_ranking_with_itself_and_its_reverse(scores: list[float]) -> None:
    assert kendall_tau(scores, scores) == 1
    assert kendall_tau(scores, [-score for score in scores]) == -1


@given(st.lists(st.tuples(st.integers(-1000, 1000), st.integers(-1000, 1000)), min_size=2, max_size=20))
def test_kendall_tau_is_that_of_scipy_where_no_values_are_equal(pairs: list[tuple[int, int]]) -> None:
    one, other = (list(dict.fromkeys(values)) for values in zip(*pairs, strict=True))
    count = min(len(one), len(other))
    if count > 1:
        assert kendall_tau(one[:count], other[:count]) == pytest.approx(
            kendalltau(one[:count], other[:count]).statistic
        )


def test_unrelated_rankings_seldom_exceed_chance() -> None:
    random = np.random.default_rng(0)
    taus = [kendall_tau(random.normal(size=20), random.normal(size=20)) for _ in range(1000)]
    beyond = np.mean(np.abs(taus) > chance_tau(20))
    assert 0.03 < beyond < 0.07  # three standard errors around 5 %
