"""Branches around a dilation, and their settings: worked out by hand, and laws that hold for all settings."""

from __future__ import annotations

import argparse
import inspect
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given

from common.bad_input import BadInput
from nas_space.branching import Branching
from nas_space.networks import ms_tcn
from nas_space.structure import Structure
from tests.nas_space.generators import branchings, expansions

NETWORK = ms_tcn.describe(stages=1, layers=3)

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
