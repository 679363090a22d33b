from __future__ import annotations

import pytest

from nas_space.networks import find_network, ms_tcn
from nas_space.receptive_field import ReceptiveField
from nas_space.structure import Structure


def frames(extents: tuple[tuple[int, int], ...]) -> tuple[int, ...]:
    return tuple(past + 1 + future for past, future in extents)


def test_of_the_hand_designed_network() -> None:
    field = ReceptiveField.of(Structure.hand(ms_tcn.describe()))
    assert [frames(block) for block in field.layers] == [(3, 5, 9, 17, 33, 65, 129, 257, 513, 1025)] * 4
    assert frames(field.blocks) == (2047,) * 4  # 1 + 2 * 1023: 1023 frames to each side
    assert (field.network, field.network.frames) == ((4092, 4092), 8185)  # 1 + 2 * 4 * 1023
    assert frames(field.after)[:3] == (3, 7, 15)
    assert frames(field.after)[9:12] == (2047, 2049, 2053)  # the second stage adds 2 x 1 and 2 x 2


def test_of_kernels_of_5_frames() -> None:
    field = ReceptiveField.of(Structure((1, 3, 2, 5), ms_tcn.describe(stages=2, layers=2, kernel=5)))
    assert [frames(block) for block in field.layers] == [(5, 13), (9, 21)]  # 2 d frames to each side, and the middle
    assert frames(field.blocks) == (17, 29)  # 2 + 6 and 4 + 10 frames to each side
    assert field.network == (22, 22)  # 8 + 14 frames to each side


def test_a_causal_network_sees_as_many_frames_all_of_them_past() -> None:
    field = ReceptiveField.of(Structure((1, 3, 2, 5), find_network("causal-ms-tcn:stages=2,layers=2")))
    assert field.layers == (((2, 0), (6, 0)), ((4, 0), (10, 0)))
    assert field.blocks == ((8, 0), (14, 0))
    assert field.after == ((2, 0), (8, 0), (12, 0), (22, 0))
    assert field.network == (22, 0)


def test_of_partners_the_longer_one_counts() -> None:
    # Pairs (1, 9), (4, 4), (20, 2), then a refinement stage of two layers.
    structure = Structure((1, 9, 4, 4, 20, 2, 3, 5), find_network("ms-tcn++:prediction=3,refinements=1,layers=2"))
    field = ReceptiveField.of(structure)
    assert field.after == ((9, 9), (9, 9), (13, 13), (13, 13), (33, 33), (33, 33), (36, 36), (41, 41))
    assert field.blocks == ((33, 33), (8, 8))
    assert field.network == (41, 41)


@pytest.mark.parametrize("shared", [0, 1])
def test_of_ms_tcn_plus_plus_as_published(shared: int) -> None:
    """The longer of 2^l and 2^(10 - l) of 11 layers, and three times 1023 (Li et al., TPAMI 2020), to each side."""
    field = ReceptiveField.of(Structure.hand(find_network(f"ms-tcn++:shared={shared}")))
    longer = sum(max(2**layer, 2 ** (10 - layer)) for layer in range(11))
    assert field.network.frames == 1 + 2 * (longer + 3 * 1023) == 14139
