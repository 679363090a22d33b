"""Batches are the videos, one after another."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trials.data.batches import Batch, pack
from trials.data.dataset import Video


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_videos_come_back_out(lengths: list[int]) -> None:
    random = np.random.default_rng(0)
    videos = []
    for length in lengths:
        labels = random.integers(3, size=length)
        videos.append(Video(random.normal(size=(length, 4)).astype(np.float32), labels))
    batch = Batch.of(videos, torch.device("cpu"))
    packed = batch.videos
    assert (packed.features.dtype, batch.labels.dtype) == (torch.float32, torch.int64)
    assert len(packed.features) == len(batch.labels) == packed.offsets[-1] == sum(lengths)
    assert packed.offsets[0] == 0
    for video, start, end in zip(videos, packed.offsets, packed.offsets[1:], strict=False):
        assert np.array_equal(packed.features[start:end], video.features)
        assert np.array_equal(batch.labels[start:end], video.labels)


def aligned(frames: int = 6) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """(frames, 16): zeros in memory of PyTorch's."""
    return torch.zeros(frames, 16).numpy()


def test_a_single_array_where_pytorch_would_put_it_is_not_copied() -> None:
    array = aligned()
    packed = pack([array])
    array[0, 0] = 7
    assert packed[0, 0] == 7


def read_only() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    array = aligned()
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("array", [aligned().reshape(-1)[1:], aligned()[::2], read_only()], ids=["off", "gaps", "kept"])
def test_any_other_is_copied_to_where_pytorch_puts_its_own(
    array: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
) -> None:
    packed = pack([array])
    assert packed.data_ptr() % 64 == 0
    assert packed.data_ptr() != array.ctypes.data
    assert np.array_equal(packed, array)
