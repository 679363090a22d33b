"""Which frame each tap reads, by hand and against the slices of the packed form."""

from __future__ import annotations

from itertools import accumulate
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nas_space.layers.on_cpu.packed_conv import shifted_rows
from nas_space.layers.on_gpu.indexed_offsets import IndexedOffsets, copied_to, outside, shifts_on

CPU = torch.device("cpu")


def test_rows_by_hand() -> None:
    """Videos of two frames, one and three; 6 stands for no frame."""
    offsets = IndexedOffsets.on(CPU, (0, 2, 3, 6))
    assert tuple(offsets) == (0, 2, 3, 6)
    causal = torch.tensor([[-2, -1, 0]])
    assert offsets.rows(causal).tolist() == [[[6, 6, 0], [6, 0, 1], [6, 6, 2], [6, 6, 3], [6, 3, 4], [3, 4, 5]]]
    assert offsets.rows(torch.tensor([[1], [-1]]))[:, :, 0].tolist() == [[1, 6, 6, 4, 5, 6], [6, 0, 6, 6, 3, 4]]


def test_layers_that_read_the_same_share_their_rows() -> None:
    """Also after other shifts, which may lie where some lay that are no more."""
    offsets = IndexedOffsets.on(CPU, (0, 2, 3))
    shifts = shifts_on(CPU, (1, 2), 3, 1)
    rows = offsets.rows(shifts)
    for shift in range(20):
        assert (
            offsets.rows(torch.tensor([[shift]])).flatten().tolist() == [[0, 1, 2], [1, 3, 3], [3, 3, 3]][min(shift, 2)]
        )
    assert offsets.rows(shifts) is rows
    assert IndexedOffsets.on(CPU, (0, 3)).rows(shifts).tolist() != rows.tolist()


def test_neighbours_in_the_same_video_by_hand() -> None:
    assert IndexedOffsets.on(CPU, (0, 2, 3, 6)).same_video().tolist() == [True, False, False, True, True]
    assert IndexedOffsets.on(CPU, (0, 1)).same_video().tolist() == []


@pytest.mark.parametrize(("offsets", "pairs"), [((0, 2, 3, 6), 6), ((0, 1), 0), ((0, 5), 4), ((0, 3, 6), 4)])
def test_pairs_of_padded_videos_by_hand(offsets: tuple[int, ...], pairs: int) -> None:
    assert IndexedOffsets.on(CPU, offsets).padded_pairs().item() == pairs


def test_frames_outside_of_all_videos_by_hand() -> None:
    """Videos of one frame and two, and two frames that belong to none; 5 stands for no frame."""
    known = IndexedOffsets.on(CPU, (0, 1, 3))
    offsets = IndexedOffsets.of(torch.cat([known.bounds, outside(CPU, 5)[:, 3:]], dim=1))
    assert tuple(offsets) == (0, 5)
    assert offsets.rows(torch.tensor([[-1, 0, 1]])).tolist() == [[[5, 0, 5], [5, 1, 2], [1, 2, 5], [5] * 3, [5] * 3]]
    assert offsets.same_video().tolist() == [False, True, False, False]
    assert offsets.padded_pairs().item() == 2 * 1


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=5), shift=st.integers(-10, 10))
def test_rows_are_those_that_the_packed_form_slices(lengths: list[int], shift: int) -> None:
    offsets = [0, *accumulate(lengths)]
    expected = torch.full((offsets[-1],), offsets[-1], dtype=torch.int32)
    for rows, sources in shifted_rows(offsets, shift):
        expected[rows] = torch.arange(offsets[-1], dtype=torch.int32)[sources]
    assert torch.equal(IndexedOffsets.on(CPU, offsets).rows(torch.tensor([[shift]]))[0, :, 0], expected)


def test_a_copy_to_a_gpu_is_pinned_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It must be contiguous: PyTorch copies a strided one to other memory first, which is not pinned."""
    pin, gpu = Mock(), torch.device("cuda")
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: pin(tensor))
    to = pin.return_value.to
    assert copied_to(gpu, np.arange(7)[::2]) is to.return_value
    to.assert_called_once_with(gpu, non_blocking=True)
    (tensor,) = pin.call_args.args
    assert tensor.is_contiguous()
    assert tensor.tolist() == [0, 2, 4, 6]


def test_shifts_by_hand() -> None:
    assert shifts_on(CPU, (1, 4), 3, 1).tolist() == [[-1, 0, 1], [-4, 0, 4], [1, 0, -1], [4, 0, -4]]
    assert shifts_on(CPU, (3,), 3, 2).tolist() == [[-6, -3, 0], [6, 3, 0]]
