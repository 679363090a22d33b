from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.bad_input import BadInput
from nas_space.budget import Budget, Moves, layer_costs
from nas_space.network import POWERS_OF_TWO, Network
from nas_space.networks import find_network
from nas_space.receptive_field import ReceptiveField
from nas_space.structure import Structure

TINY = find_network("ms-tcn:stages=2,layers=2")
CAUSAL = find_network("causal-ms-tcn:stages=2,layers=2")
DUAL = find_network("ms-tcn++:prediction=3,refinements=1,layers=2")
SPACE = dict.fromkeys(TINY.paths, (1, 2, 4, 8))
OPTIONAL = dict.fromkeys(TINY.paths, (8, 0, 4, 2, 1))
LAYER = 64 * 64 * 4
"""Multiply-adds of a layer: three taps and a 1x1 convolution of 64 channels."""


@pytest.mark.parametrize(
    ("value", "fps", "budget"),
    [
        (None, None, Budget()),
        (500, None, Budget(network=500)),
        ("500", None, Budget(network=500)),
        ("33s", 15.0, Budget(network=495)),
        ("33s@15", 30.0, Budget(network=495)),
        ("1.5s@29.97", None, Budget(network=44)),
        ("network=500, stage=120,past=20s,future=0", 2.0, Budget(500, 120, 40, 0)),
    ],
)
def test_parsed(value: Any, fps: float | None, budget: Budget) -> None:
    assert Budget.parse(value, fps=fps) == budget
    assert Budget.parse(str(budget) or None) == budget


@pytest.mark.parametrize("value", ["", "5 frames", "-3", 2.5, "depth=3", "3,4", "past=1,past=2", "1e3", True, "٣", {}])
def test_what_is_no_budget_is_refused(value: Any) -> None:
    with pytest.raises(BadInput, match=r"max_context .*: write 500, 33s, or network=500"):
        Budget.parse(value)


@pytest.mark.parametrize(
    ("value", "limit"), [(250000, 250000), ("250000", 250000), ("50%", 2 * LAYER), ("99.9%", 65470), ("0%", 0)]
)
def test_multiply_adds_are_parsed(value: Any, limit: int) -> None:
    budget = Budget.parse("past=3", value, TINY)
    assert budget == Budget(past=3, multiply_adds=limit)
    assert Budget.parse(str(budget)) == budget


@pytest.mark.parametrize("value", ["", "half", "-3", 2.5, "101%", "1e3", True, "50 %", "٣", {}])
def test_what_is_no_number_of_multiply_adds_is_refused(value: Any) -> None:
    with pytest.raises(BadInput, match=r"max_multiply_adds .*: write 250000, or 50% of what all layers take"):
        Budget.parse(None, value, TINY)


def test_seconds_need_a_rate() -> None:
    for value in ("33s", "stage=33s", "3s@0"):
        with pytest.raises(BadInput, match="the frames per second are not known: write 33s@15, or frames"):
            Budget.parse(value)


@pytest.mark.parametrize(("value", "least"), [("0", 1), ("stage=0", 1), ("0.01s@15", 1)])
def test_a_budget_below_the_own_frame_is_refused(value: str, least: int) -> None:
    with pytest.raises(BadInput, match=rf"at least {least} frame\(s\) are needed"):
        Budget.parse(value)


# Stage 1 sees 1 + 2 (1 + 2) = 7 frames, stage 2 1 + 2 (4 + 8) = 25, both 31: 15 on each side.
@pytest.mark.parametrize(
    ("budget", "exceeded"),
    [
        (Budget(), False),
        (Budget(network=31), False),
        (Budget(network=30), True),
        (Budget(stage=25), False),
        (Budget(stage=24), True),
        (Budget(past=15, future=15), False),
        (Budget(past=14), True),
        (Budget(future=14), True),
        (Budget(multiply_adds=4 * LAYER), False),
        (Budget(multiply_adds=4 * LAYER - 1), True),
    ],
)
def test_exceeded_by_hand(budget: Budget, exceeded: bool) -> None:
    assert budget.exceeded(TINY, (1, 2, 4, 8)) == exceeded


def test_only_the_layers_of_a_stage_that_sees_too_far_are_shortened() -> None:
    assert Budget(stage=9).shorten(Structure((1, 2, 4, 8), TINY), SPACE).dilations == (1, 2, 2, 2)


def test_a_causal_network_sees_the_past_only() -> None:
    assert not Budget(past=30, future=0).exceeded(CAUSAL, (1, 2, 4, 8))
    assert Budget(past=29).exceeded(CAUSAL, (1, 2, 4, 8))


@given(st.sampled_from([TINY, CAUSAL, DUAL]), st.randoms(use_true_random=False), st.integers(5, 60), st.integers(0, 60))
def test_the_excess_is_above_zero_where_the_budget_is_exceeded(
    network: Network, random: Any, frames: int, side: int
) -> None:
    structure = Structure(tuple(random.choice((1, 2, 4)) for _ in network.layers), network)
    for budget in (Budget(network=frames), Budget(stage=frames), Budget(past=side), Budget(future=side)):
        exceeds = any(share > 0 for share in budget.excess(network, structure.dilations, [1] * len(network.layers)))
        assert exceeds == budget.exceeded(network, structure.dilations)


def test_the_excess_by_hand() -> None:
    kept = (1, 0.5, 0, 1)
    assert Budget(20, 25, 30).excess(TINY, (1, 2, 4, 8), kept) == [11 / 20, -15 / 30, -18 / 25, 0]
    assert Budget(future=0).excess(CAUSAL, (1, 2, 4, 8), kept) == [0]
    assert Budget(multiply_adds=2 * LAYER).excess(TINY, (1, 2, 4, 8), kept) == [0.25]


def test_the_costs_by_hand() -> None:
    reach, none = (2, 0), (0, 0)
    costs = Budget(network=9, stage=5, past=3, multiply_adds=10).costs(TINY)
    assert [list(of_limit.values()) for of_limit in costs] == [
        [(0, LAYER)] * 4,
        [reach] * 4,
        [reach] * 4,
        [reach, reach, none, none],
        [none, none, reach, reach],
    ]
    applied_twice = find_network("ms-tcn++:prediction=1,refinements=2,layers=1,shared=1")
    assert list(Budget(network=9).costs(applied_twice)[0].values()) == [(2, 0), (2, 0), (4, 0)]


def test_cut_off() -> None:
    # 1 + 2 (1 + 8 + 2 + 8) = 39; the later 8 is shortened first, then the other one, then the 4 that it left.
    structure = Structure((1, 8, 2, 8), TINY)
    cut = {limit: Budget(network=limit).shorten(structure, SPACE).dilations for limit in (39, 38, 30, 22, 18)}
    assert cut == {39: (1, 8, 2, 8), 38: (1, 8, 2, 4), 30: (1, 4, 2, 4), 22: (1, 4, 2, 2), 18: (1, 2, 2, 2)}


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from([TINY, CAUSAL, DUAL, find_network("ms-tcn")]),
    st.integers(60, 400),
    st.one_of(st.none(), st.integers(30, 100)),
    st.randoms(use_true_random=False),
)
def test_a_shortened_structure_keeps_the_budget(network: Network, limit: int, stage: int | None, random: Any) -> None:
    structure = Structure(tuple(random.choice(POWERS_OF_TWO) for _ in network.layers), network)
    budget = Budget(limit if network.name != "ms-tcn" else limit + 40, stage)
    candidates = dict.fromkeys(network.paths, POWERS_OF_TWO)

    def choose(moves: Moves, _: Mapping[str, int]) -> tuple[str, int]:
        label = random.choice(list(moves))
        return label, random.choice(list(moves[label]))

    within = budget.shorten(structure, candidates, choose)
    field = ReceptiveField.of(within)
    assert field.network.frames <= limit + 40 * (network.name == "ms-tcn")
    assert stage is None or all(block.frames <= stage for block in field.blocks)
    assert all(new <= old for new, old in zip(within.dilations, structure.dilations, strict=True))
    assert set(within.dilations) <= set(POWERS_OF_TWO)
    assert budget.shorten(within, candidates) == within


def test_layers_are_left_out_for_multiply_adds() -> None:
    structure = Structure((1, 8, 2, 8), TINY)
    cut = {layers: Budget(multiply_adds=layers * LAYER).shorten(structure, OPTIONAL).dilations for layers in range(5)}
    assert cut == {4: (1, 8, 2, 8), 3: (1, 8, 2, 0), 2: (1, 0, 2, 0), 1: (1, 0, 0, 0), 0: (0, 0, 0, 0)}
    # Both limits: what is left sees 1 + 2 (1 + 8 + 2) = 23 frames, and its 8 becomes 4.
    assert Budget(network=15, multiply_adds=3 * LAYER).shorten(structure, OPTIONAL).dilations == (1, 4, 2, 0)
    # A layer without 0 among its candidates stays.
    assert Budget(multiply_adds=LAYER).shorten(structure, {**OPTIONAL, "s2l1": (4, 8)}).dilations == (0, 0, 0, 8)


def test_repeated_stages_cost_as_often() -> None:
    shared = find_network("ms-tcn++:prediction=1,refinements=3,layers=1,shared=1,channels=2")
    assert layer_costs(shared) == {"s1l0a": 16, "s1l0b": 16, "s2l0": 3 * 16}


def test_it_is_tight_where_the_smallest_candidates_take_more_than_half() -> None:
    # With dilations of 1 the network sees 9 frames, and a stage 5.
    assert Budget(network=17).is_tight(SPACE, TINY)
    assert not Budget(network=18).is_tight(SPACE, TINY)
    assert Budget(network=18, stage=9).is_tight(SPACE, TINY)
    assert not Budget(network=2).is_tight(OPTIONAL, TINY)
    assert Budget(multiply_adds=7 * LAYER).is_tight(SPACE, TINY)
    assert not Budget(multiply_adds=8 * LAYER).is_tight(SPACE, TINY)


def test_what_no_structure_keeps_is_refused() -> None:
    longest = Structure((1, 8, 2, 8), TINY)
    message = "the limits network=8: with the smallest candidates the network sees 9 frames, a stage up to 5, and"
    with pytest.raises(BadInput, match=message):
        Budget(network=8).check(SPACE, TINY)
    with pytest.raises(BadInput, match=message):
        Budget(network=8).shorten(longest, SPACE)
    Budget(network=9).check(SPACE, TINY)
    assert Budget(network=9).shorten(longest, SPACE).dilations == (1, 1, 1, 1)
    with pytest.raises(BadInput, match="its 4 layers take 65536 multiply-adds a frame: allow more, take a network"):
        Budget(multiply_adds=LAYER).shorten(longest, SPACE)
