"""A batch in the form of a GPU, of double precision."""

from __future__ import annotations

from itertools import accumulate

import torch

from nas_space.layers.on_gpu.indexed_offsets import IndexedOffsets
from nas_space.layers.packed_videos import PackedVideos
from trials.data.batches import Batch

CPU = torch.device("cpu")


def batch_of(lengths: list[int], device: torch.device = CPU, seed: int = 0) -> Batch:
    """Videos of these lengths, of 5 features and 4 classes."""
    generator = torch.Generator().manual_seed(seed)
    frames = sum(lengths)
    features = torch.randn(frames, 5, dtype=torch.float64, generator=generator).to(device)
    offsets = IndexedOffsets.on(device, list(accumulate(lengths, initial=0)))
    return Batch(PackedVideos(features, offsets), torch.randint(4, (frames,), generator=generator).to(device))
