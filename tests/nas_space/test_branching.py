"""Branches around a dilation, and where it moves: worked out by hand, and laws that hold for all settings."""

from __future__ import annotations

import argparse
import inspect
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from common.bad_input import BadInput
from nas_space.branching import Branching, expectation, keep_branches, next_structure
from nas_space.budget import Budget
from nas_space.networks import ms_tcn
from nas_space.structure import Structure

NETWORK = ms_tcn.describe(stages=1, layers=3)
PAIR = ms_tcn.describe(stages=1, layers=2)

# Around d, (1 - rate) d, d, (1 + rate) d; at least 1 apart, and within 1..2048.
TABLE = {
    (3, 0.1): {
        1: (1, 2),
        2: (1, 2, 3),
        3: (2, 3, 4),
        4: (3, 4, 5),
        16: (14, 16, 18),
        100: (90, 100, 110),
        2048: (1843, 2048),
    },
    (3, 0.5): {
        1: (1, 2),
        2: (1, 2, 3),
        3: (1, 3, 5),
        4: (2, 4, 6),
        16: (8, 16, 24),
        100: (50, 100, 150),
        2048: (1024, 2048),
    },
    (5, 0.1): {
        1: (1, 2, 3),
        2: (1, 2, 3, 4),
        3: (1, 2, 3, 4, 5),
        4: (2, 3, 4, 5, 6),
        16: (14, 15, 16, 17, 18),
        100: (90, 95, 100, 105, 110),
        2048: (1843, 1946, 2048),
    },
}


@st.composite
def branchings(draw: st.DrawFn) -> Branching:
    minimum = draw(st.integers(1, 300))
    maximum = draw(st.integers(minimum + 1, 2048))
    return Branching(draw(st.integers(2, 9)), draw(st.floats(0, 0.99)), minimum, maximum)


@st.composite
def expansions(draw: st.DrawFn) -> tuple[Branching, int]:
    """Settings, and a dilation that they allow."""
    branching = draw(branchings())
    return branching, draw(st.integers(branching.minimum, branching.maximum))


def probabilities(size: int) -> st.SearchStrategy[list[float]]:
    weights = st.lists(st.integers(0, 1000), min_size=size, max_size=size).filter(any)
    return weights.map(lambda weights: [weight / sum(weights) for weight in weights])


# Expand


@pytest.mark.parametrize(("count", "rate"), TABLE)
def test_branches_are_those_of_the_table(count: int, rate: float) -> None:
    branching = Branching(count, rate)
    assert {dilation: branching.expand(dilation) for dilation in TABLE[count, rate]} == TABLE[count, rate]


def test_the_docstring_shows_the_table() -> None:
    text = inspect.getdoc(Branching) or ""
    rows = [line.split("  ") for line in text.splitlines() if line[:1].isdigit()]
    shown = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    dilations = list(TABLE[3, 0.1])
    assert shown == [
        [str(dilation), *(" ".join(map(str, column[dilation])) for column in TABLE.values())] for dilation in dilations
    ]


def test_two_branches_lie_on_both_sides() -> None:
    assert [Branching(2, 0.25).expand(dilation) for dilation in (1, 2, 8)] == [(1, 2), (1, 3), (6, 10)]


@given(expansions())
def test_branches_are_distinct_rising_and_within_bounds(expansion: tuple[Branching, int]) -> None:
    branching, dilation = expansion
    branches = branching.expand(dilation)
    assert 2 <= len(branches) <= branching.count
    assert all(low < high for low, high in pairwise(branches))
    assert branching.minimum <= branches[0] <= branches[-1] <= branching.maximum


@given(expansions())
def test_branches_lie_on_both_sides_unless_at_a_bound(expansion: tuple[Branching, int]) -> None:
    branching, dilation = expansion
    branches = branching.expand(dilation)
    assert branches[0] < dilation or dilation == branching.minimum
    assert branches[-1] > dilation or dilation == branching.maximum


@given(expansions())
def test_an_odd_number_of_branches_holds_the_dilation_itself(expansion: tuple[Branching, int]) -> None:
    branching, dilation = expansion
    assume(branching.count % 2 == 1)
    assert dilation in branching.expand(dilation)


@given(expansions())
def test_no_bound_near_means_all_branches(expansion: tuple[Branching, int]) -> None:
    branching, dilation = expansion
    reach = max(branching.rate * dilation + 1, branching.count)
    assume(branching.minimum <= dilation - reach and dilation + reach <= branching.maximum)
    assert len(branching.expand(dilation)) == branching.count


# Refusals


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"count": 1}, "the number of branches must be a whole number of at least 2, not 1"),
        ({"count": 2.0}, "the number of branches must be a whole number of at least 2, not 2.0"),
        ({"count": True}, "the number of branches must be a whole number of at least 2, not True"),
        ({"count": 2049}, "the number of branches must be at most 2048, not 2049"),
        ({"rate": 1}, "the expand rate must be at least 0 and below 1, not 1"),
        ({"rate": -0.1}, "the expand rate must be at least 0 and below 1, not -0.1"),
        ({"rate": float("nan")}, "the expand rate must be at least 0 and below 1, not nan"),
        ({"rate": "0.1"}, "the expand rate must be at least 0 and below 1, not '0.1'"),
        ({"minimum": 0}, "the minimum dilation must be a whole number of at least 1, not 0"),
        ({"maximum": None}, "the maximum dilation must be a whole number of at least 1, not None"),
        ({"minimum": 8, "maximum": 8}, "dilations of 8 to 8 leave no room for two branches"),
        ({"minimum": 9, "maximum": 8}, "dilations of 9 to 8 leave no room for two branches"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_refused_in_one_line(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput) as refusal:
        Branching(**settings)
    assert str(refusal.value) == message


@pytest.mark.parametrize("dilation", [1, 33])
def test_a_start_beyond_the_bounds_is_refused_by_the_name_of_its_layer(dilation: int) -> None:
    branching = Branching(minimum=2, maximum=32)
    with pytest.raises(BadInput) as refusal:
        branching.check(Structure((2, dilation, 32), NETWORK))
    assert str(refusal.value) == f"layer s1l1: dilation {dilation} lies outside the bounds 2 to 32"
    branching.check(Structure((2, 7, 32), NETWORK))


# As text, and as options


@given(branchings())
def test_text_and_description_make_the_same_settings(branching: Branching) -> None:
    assert Branching.from_text(branching.to_text()) == branching
    assert Branching(**branching.describe()) == branching


@pytest.mark.parametrize("text", ["", "3", "3,0.1,1", "3,0.1,1,8,9", "x,0.1,1,8", "3,0.1,1.5,8", "1,0.1,1,8", None, 3])
def test_other_texts_are_refused_in_one_line(text: Any) -> None:
    with pytest.raises(BadInput, match="not the settings of branches: ") as refusal:
        Branching.from_text(text)
    assert repr(text) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_options_name_the_settings() -> None:
    parser = argparse.ArgumentParser()
    Branching.add_arguments(parser)
    words = ["--branches", "5", "--expand-rate", "0.5", "--min-dilation", "2", "--max-dilation", "64"]
    assert Branching.from_arguments(parser.parse_args(words)) == Branching(5, 0.5, 2, 64)
    assert Branching.from_arguments(parser.parse_args([])) == Branching(3, 0.1, 1, 2048)


# Expectation


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


# A budget


def test_branches_within_a_budget() -> None:
    # The network sees 1 + 2 (4 + 8) = 25 frames; with 4 + 2 it would see 29, with 8 + 4 33.
    structure = Structure((4, 8), PAIR)
    for limit, branches in ((28, {"s1l0": (2, 4), "s1l1": (4, 8)}), (29, {"s1l0": (2, 4, 6), "s1l1": (4, 8)})):
        within = Branching(3, 0.5, budget=Budget(network=limit))
        assert within.branches(structure) == branches
    assert Branching(3, 0.5).branches(structure) == {"s1l0": (2, 4, 6), "s1l1": (4, 8, 12)}
    assert Branching(2, 0.5, budget=Budget(network=25)).branches(structure) == {"s1l0": (2, 4), "s1l1": (4, 8)}


def test_the_own_dilation_stays_where_the_budget_leaves_no_other() -> None:
    ones = Structure((1, 1), PAIR)
    assert Branching(3, 0.5, budget=Budget(network=5)).branches(ones) == {"s1l0": (1,), "s1l1": (1,)}
    alone = {"s1l0": [1.0], "s1l1": [1.0]}
    assert next_structure(ones, Branching(3, 0.5, budget=Budget(network=5)), alone) == ones


def test_layers_that_grow_together_are_shortened() -> None:
    structure = Structure((4, 8), PAIR)
    branching = Branching(3, 0.5, budget=Budget(network=33))
    assert branching.branches(structure) == {"s1l0": (2, 4, 6), "s1l1": (4, 8, 12)}
    # Each may grow alone; both would see 1 + 2 (6 + 12) = 37 frames: the longest gives two frames' worth back.
    grown = next_structure(structure, branching, {"s1l0": [0, 0, 1], "s1l1": [0, 0, 1]})
    assert grown.dilations == (6, 10)


def test_a_structure_beyond_the_budget_is_refused_or_cut_off() -> None:
    branching = Branching(3, 0.5, budget=Budget(network=21))
    with pytest.raises(BadInput, match="the structure 4 8 exceeds the limits network=21"):
        branching.check(Structure((4, 8), PAIR))
    assert branching.cut_off(Structure((4, 8), PAIR)).dilations == (4, 6)


def test_a_layer_that_is_left_out_stays_so() -> None:
    branching = Branching(3, 0.5, minimum=2, budget=Budget(network=21))
    structure = Structure((0, 8), PAIR)
    assert branching.branches(structure) == {"s1l0": (0,), "s1l1": (4, 8)}
    assert next_structure(structure, branching, {"s1l0": [1.0], "s1l1": [0.5, 0.5]}).dilations == (0, 6)


def test_the_text_has_the_budget() -> None:
    branching = Branching(3, 0.5, 1, 512, Budget(network=500, stage=120))
    assert branching.to_text() == "3,0.5,1,512;network=500,stage=120"
    assert Branching.from_text(branching.to_text()) == branching
    assert branching.describe()["limits"] == "network=500,stage=120"
    assert Branching(3, 0.5).describe() == {"count": 3, "rate": 0.5, "minimum": 1, "maximum": 2048}
