from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.bad_input import BadInput
from nas_space.budget import Budget
from nas_space.network import POWERS_OF_TWO, Network
from nas_space.networks import find_network
from nas_space.receptive_field import ReceptiveField
from nas_space.structure import Structure

TINY = find_network("ms-tcn:stages=2,layers=2")
CAUSAL = find_network("causal-ms-tcn:stages=2,layers=2")
DUAL = find_network("ms-tcn++:prediction=3,refinements=1,layers=2")
SPACE = dict.fromkeys(TINY.paths, (1, 2, 4, 8))


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
    assert Budget.parse(value, fps) == budget
    assert Budget.parse(str(budget) or None) == budget


@pytest.mark.parametrize("value", ["", "5 frames", "-3", 2.5, "depth=3", "3,4", "past=1,past=2", "1e3", True, "٣", {}])
def test_what_is_no_budget_is_refused(value: Any) -> None:
    with pytest.raises(BadInput, match=r"max_context .*: write 500, 33s, or network=500"):
        Budget.parse(value)


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
        (Budget(), set()),
        (Budget(network=31), set()),
        (Budget(network=30), {"s1l0", "s1l1", "s2l0", "s2l1"}),
        (Budget(stage=25), set()),
        (Budget(stage=24), {"s2l0", "s2l1"}),
        (Budget(past=15, future=15), set()),
        (Budget(past=14), {"s1l0", "s1l1", "s2l0", "s2l1"}),
        (Budget(future=14), {"s1l0", "s1l1", "s2l0", "s2l1"}),
    ],
)
def test_exceeded_by_hand(budget: Budget, exceeded: set[str]) -> None:
    assert budget.exceeded(TINY, (1, 2, 4, 8)) == exceeded


def test_a_causal_network_sees_the_past_only() -> None:
    assert not Budget(past=30, future=0).exceeded(CAUSAL, (1, 2, 4, 8))
    assert Budget(past=29).exceeded(CAUSAL, (1, 2, 4, 8))


@given(st.sampled_from([TINY, CAUSAL, DUAL]), st.randoms(use_true_random=False), st.integers(5, 60), st.integers(0, 60))
def test_the_excess_is_above_zero_where_the_budget_is_exceeded(
    network: Network, random: Any, frames: int, side: int
) -> None:
    structure = Structure(tuple(random.choice((1, 2, 4)) for _ in network.layers), network)
    for budget in (Budget(network=frames), Budget(stage=frames), Budget(past=side), Budget(future=side)):
        exceeds = any(share > 0 for share in budget.excess(network, structure.dilations))
        assert exceeds == bool(budget.exceeded(network, structure.dilations))


def test_the_excess_by_hand() -> None:
    assert Budget(20, 25, 30).excess(TINY, (1, 2, 4, 8)) == [11 / 20, -15 / 30, -18 / 25, 0]
    assert Budget(future=0).excess(CAUSAL, (1, 2, 4, 8)) == [0]


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

    def choose(smaller: Mapping[str, Sequence[int]], _: Mapping[str, int]) -> tuple[str, int]:
        label = random.choice(list(smaller))
        return label, random.choice(smaller[label])

    within = budget.shorten(structure, candidates, choose)
    field = ReceptiveField.of(within)
    assert field.network.frames <= limit + 40 * (network.name == "ms-tcn")
    assert stage is None or all(block.frames <= stage for block in field.blocks)
    assert all(new <= old for new, old in zip(within.dilations, structure.dilations, strict=True))
    assert set(within.dilations) <= set(POWERS_OF_TWO)
    assert budget.shorten(within, candidates) == within


def test_what_no_structure_keeps_is_refused() -> None:
    longest = Structure((1, 8, 2, 8), TINY)
    message = "max_context network=8: with the smallest candidates the network sees 9 frames, and a stage up to 5"
    with pytest.raises(BadInput, match=message):
        Budget(network=8).check(SPACE, TINY)
    with pytest.raises(BadInput, match=message):
        Budget(network=8).shorten(longest, SPACE)
    Budget(network=9).check(SPACE, TINY)
    assert Budget(network=9).shorten(longest, SPACE).dilations == (1, 1, 1, 1)
