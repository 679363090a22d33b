"""The multiplications of a training step, counted by hand."""

from __future__ import annotations

import pytest

from benchmarks.roofline import multiplications
from nas_space.networks import find_network
from nas_space.structure import Structure


def test_one_layer_by_hand() -> None:
    structure = Structure((4,), find_network("ms-tcn:stages=1,layers=1"))
    # 10 frames, 7 features, 3 classes, 2 channels: the first 1x1 forwards and for its weights, all others three times;
    # the outer taps read 6 frames each, the centre and the 1x1 of the layer 10 each.
    expected = 2 * 10 * 7 * 2 + 3 * (6 + 6 + 10 + 10) * 2 * 2 + 3 * 10 * 2 * 3
    assert multiplications(structure, 10, 7, 3, channels=2) == expected


@pytest.mark.parametrize("dilation", [10, 11, 1000])
def test_a_tap_beyond_the_video_costs_nothing(dilation: int) -> None:
    def of(d: int) -> int:
        return multiplications(Structure((d,), find_network("ms-tcn:stages=1,layers=1")), 10, 7, 3, channels=2)

    assert of(dilation) == of(9) - 3 * 2 * 1 * 2 * 2


def test_later_stages_read_classes_and_have_a_gradient() -> None:
    one, two = (
        multiplications(
            Structure((1,) * stages, find_network(f"ms-tcn:stages={stages},layers=1")), 10, 7, 3, channels=2
        )
        for stages in (1, 2)
    )
    assert two - one == one - 2 * 10 * 7 * 2 + 3 * 10 * 3 * 2
