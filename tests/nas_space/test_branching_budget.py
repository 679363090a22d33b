"""Branches within a budget: what the network may see."""

from __future__ import annotations

import pytest

from common.bad_input import BadInput
from nas_space.branching import Branching, next_structure
from nas_space.budget import Budget
from nas_space.networks import ms_tcn
from nas_space.structure import Structure

PAIR = ms_tcn.describe(stages=1, layers=2)


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
