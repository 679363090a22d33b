from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from analysis.plots.top_share import TopShare, draw_top_share
from nas_space.networks import find_network
from tests.analysis.plots.texts import assert_legible


def test_shares_by_hand() -> None:
    dilations = np.array([[1, 8], [2, 8], [1, 4], [2, 4], [2, 8], [1, 4]])
    shares = TopShare.of(dilations, np.array([5.0, 9.0, 5.0, 1.0, 9.0, 0.0]))
    assert (shares.trials, shares.best) == (6, 2)  # a fifth of 6, rounded up: the second and the fifth
    assert shares.candidates == [1, 2, 4, 8]
    assert shares.in_all.tolist() == [[3, 3, 0, 0], [0, 0, 3, 3]]
    assert shares.in_best.tolist() == [[0, 2, 0, 0], [0, 0, 0, 2]]
    assert [shares.candidates[shares.gained(layer)] for layer in (0, 1)] == [2, 8]
    # Both of 2 among 3 of 6: 3 / 15 by chance.
    assert not shares.significant(0, 1)


def test_of_equals_the_earlier_is_the_better() -> None:
    shares = TopShare.of(np.array([[1], [2], [4], [8], [16]]), np.ones(5))
    assert shares.in_best.tolist() == [[1, 0, 0, 0, 0]]


@settings(max_examples=30)
@given(st.integers(10, 40), st.integers(0, 1000))
def test_beyond_chance_is_the_hypergeometric_tail_over_all_pairs(trials: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.normal(size=trials)
    first = np.where(scores > np.quantile(scores, random.uniform(0.5, 0.9)), 4, 1)  # goes with the score
    shares = TopShare.of(np.stack([first, random.choice([1, 4], trials)], axis=1), scores)
    pairs = np.count_nonzero(shares.in_all)
    for layer, candidate in np.ndindex(shares.in_all.shape):
        among, having = shares.in_best[layer, candidate], shares.in_all[layer, candidate]
        tail = hypergeom.sf(among - 1, trials, having, shares.best)
        assert shares.significant(layer, candidate) == (tail < 0.05 / pairs)


@pytest.mark.parametrize(("network", "candidates"), [("ms-tcn:stages=2,layers=2", 7), ("ms-tcn++", 40)])
def test_both_maps_are_legible(network: str, candidates: int) -> None:
    described, random = find_network(network), np.random.default_rng(0)
    dilations = random.choice(np.arange(1, 1 + candidates) * 25, size=(100, len(described.layers)))
    dilations[:20, 0], dilations[20:, 0] = 25, 50
    figure = draw_top_share("Ab3dE", TopShare.of(dilations, np.arange(100.0)[::-1]), described)
    last = figure.axes[1].child_axes[0].get_yticklabels()
    assert last[0].get_text() == "25: 20 → 100 %*"
    assert_legible(figure)
