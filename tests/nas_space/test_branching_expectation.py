"""Where dilations move by what their branches have learned: worked out by hand, and laws for all settings."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nas_space.branching import Branching, expectation, keep_branches, next_structure
from nas_space.networks import ms_tcn
from nas_space.structure import Structure
from tests.nas_space.generators import expansions

NETWORK = ms_tcn.describe(stages=1, layers=3)
PAIR = ms_tcn.describe(stages=1, layers=2)


def probabilities(size: int) -> st.SearchStrategy[list[float]]:
    weights = st.lists(st.integers(0, 1000), min_size=size, max_size=size).filter(any)
    return weights.map(lambda weights: [weight / sum(weights) for weight in weights])


@pytest.mark.parametrize(
    ("branches", "learnt", "current", "expected"),
    [
        ((90, 100, 110), (0.2, 0.3, 0.5), 100, 103),  # 18 + 30 + 55 = 103
        ((8, 16, 24), (0.5, 0.3, 0.2), 16, 14),  # 4 + 4.8 + 4.8 = 13.6
        ((14, 16, 18), (0.3, 0.4, 0.3), 16, 16),  # 4.2 + 6.4 + 5.4 = 16
        ((1, 2, 3), (0.0, 0.0, 1.0), 2, 3),
        ((1, 2), (0.5, 0.5), 1, 1),  # 1.5: towards 1
        ((7, 8), (0.5, 0.5), 8, 8),  # 7.5: towards 8
        ((2, 3), (0.5, 0.5), 2, 2),  # 2.5: Python's round and halves up disagree, and neither is asked
        ((1, 3, 5), (0.25, 0.25, 0.5), 3, 3),  # 0.25 + 0.75 + 2.5 = 3.5: towards 3
        ((1, 3, 5), (0.5, 0.25, 0.25), 3, 3),  # 0.5 + 0.75 + 1.25 = 2.5: towards 3
        ((1, 2), (0.499, 0.501), 1, 2),  # 1.501
    ],
    ids=str,
)
def test_expectation_by_hand(branches: tuple[int, ...], learnt: tuple[float, ...], current: int, expected: int) -> None:
    assert expectation(branches, learnt, current) == expected


@given(st.data(), expansions())
def test_expectation_lies_among_the_branches(data: st.DataObject, expansion: tuple[Branching, int]) -> None:
    branching, dilation = expansion
    branches = branching.expand(dilation)
    learnt = data.draw(probabilities(len(branches)))
    after = expectation(branches, learnt, dilation)
    mean = sum(p * d for p, d in zip(learnt, branches, strict=True))
    assert branches[0] <= after <= branches[-1]
    assert abs(after - mean) <= 0.5 + 1e-6


@given(expansions())
def test_equal_probabilities_move_nothing_away_from_the_bounds(expansion: tuple[Branching, int]) -> None:
    branching, dilation = expansion
    branches = branching.expand(dilation)
    assume(len(branches) == branching.count)
    assume(branching.minimum < branches[0] and branches[-1] < branching.maximum)
    assert expectation(branches, [1 / len(branches)] * len(branches), dilation) == dilation


@pytest.mark.parametrize("learnt", [(0.5, 0.5), (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), (float("nan"),) * 3, ()], ids=str)
def test_foreign_probabilities_are_refused(learnt: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="are not those of the branches"):
        expectation((1, 2, 3), learnt, 2)


def test_branches_are_kept_with_what_they_have_learned() -> None:
    start = Structure((4, 1), PAIR)
    learned = {"s1l0": [0.2, 0.3, 0.5], "s1l1": [0.9, 0.1]}
    kept = keep_branches(start, Branching(rate=0.5), learned)
    assert kept.to_labels() == {"s1l0": [[2, 0.2], [4, 0.3], [6, 0.5]], "s1l1": [[1, 0.9], [2, 0.1]]}
    equal = keep_branches(start, Branching(rate=0.5))
    assert equal.to_labels() == {"s1l0": [[2, 1 / 3], [4, 1 / 3], [6, 1 / 3]], "s1l1": [[1, 0.5], [2, 0.5]]}


def test_a_layer_that_is_left_out_keeps_no_branches() -> None:
    assert keep_branches(Structure((4, 0), PAIR), Branching(rate=0.5)).branches_by_label()["s1l1"] == ((0, 1.0),)


def test_a_short_schedule_by_hand() -> None:
    branching = Branching(count=3, rate=0.5, maximum=32)
    structure = Structure((1, 8, 32), NETWORK)
    # Expand:   1 -> 1 2               8 -> 4 8 12             32 -> 16 32
    # Estimate: 0.2 + 1.6 = 1.8        0.4 + 1.6 + 8.4 = 10.4  4 + 24 = 28
    learnt = {"s1l0": [0.2, 0.8], "s1l1": [0.1, 0.2, 0.7], "s1l2": [0.25, 0.75]}
    structure = next_structure(structure, branching, learnt)
    assert structure == Structure((2, 10, 28), NETWORK)
    # Expand:   2 -> 1 2 3             10 -> 5 10 15           28 -> 14 28 42, at most 32
    # Estimate: 0.6 + 0.2 + 0.9 = 1.7  0.5 + 2 + 10.5 = 13     3.5 + 7 + 16 = 26.5, towards 28
    learnt = {"s1l0": [0.6, 0.1, 0.3], "s1l1": [0.1, 0.2, 0.7], "s1l2": [0.25, 0.25, 0.5]}
    structure = next_structure(structure, branching, learnt)
    assert structure == Structure((2, 13, 27), NETWORK)
    # Expand:   2 -> 1 2 3             13 -> 6 13 20 (6.5: 7)  27 -> 13 27 41 (13.5: 14), at most 32
    # Estimate: 3                      3 + 3.25 + 5 = 11.25    2.6 + 5.4 + 19.2 = 27.2
    learnt = {"s1l0": [0.0, 0.0, 1.0], "s1l1": [0.5, 0.25, 0.25], "s1l2": [0.2, 0.2, 0.6]}
    structure = next_structure(structure, branching, learnt)
    assert structure == Structure((3, 11, 27), NETWORK)
    # Expand:   3 -> 1 3 5 (1.5: 2)    11 -> 5 11 17 (5.5: 6)  27 -> 13 27 32
    assert [branching.expand(dilation) for dilation in structure.dilations] == [(1, 3, 5), (5, 11, 17), (13, 27, 32)]
