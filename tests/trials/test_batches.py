"""Batches are the videos, one after another."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from trials.batches import Batch
from trials.dataset import Video


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_videos_come_back_out(lengths: list[int]) -> None:
    random = np.random.default_rng(0)
    videos = []
    for length in lengths:
        labels = random.integers(3, size=length)
        videos.append(Video("", random.normal(size=(length, 4)).astype(np.float32), labels, labels))
    batch = Batch.of(videos, torch.device("cpu"))
    assert (batch.features.dtype, batch.labels.dtype) == (torch.float32, torch.int64)
    assert len(batch.features) == len(batch.labels) == batch.offsets[-1] == sum(lengths)
    assert batch.offsets[0] == 0
    for video, start, end in zip(videos, batch.offsets, batch.offsets[1:], strict=False):
        assert np.array_equal(batch.features[start:end], video.features)
        assert np.array_equal(batch.labels[start:end], video.labels)
