"""Packed batches: videos one after another, without padding."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nas_space.layers.on_gpu.indexed_offsets import IndexedOffsets
from nas_space.layers.packed_videos import PackedVideos
from trials.data.dataset import Video
from trials.data.feature_cache.packed import ALIGNMENT
from trials.data.feature_files import Features


@dataclass(frozen=True)
class Batch:
    """Some videos, packed, and the class of each frame."""

    videos: PackedVideos
    labels: Tensor
    """(frames,)"""

    @classmethod
    def of(cls, videos: Sequence[Video], device: torch.device) -> Batch:
        """Pack videos onto a device."""
        features = pack([video.features for video in videos]).to(device)
        release = None
        if device.type == "cpu":
            is_copy = features.data_ptr() != videos[0].features.ctypes.data
            release = (lambda: None) if is_copy else releaser(videos[0].features)
        offsets = offsets_on(device, [len(video.labels) for video in videos])
        return cls(PackedVideos(features, offsets, release), pack([video.labels for video in videos]).to(device))


def packed_video(features: Features, device: torch.device) -> PackedVideos:
    """A video ``(frames, channels)`` on a device."""
    return PackedVideos(pack([features]).to(device), offsets_on(device, [len(features)]))


def offsets_on(device: torch.device, lengths: Sequence[int]) -> tuple[int, ...]:
    """The offsets of videos of these lengths, in the form that is fast on the device."""
    offsets = tuple(accumulate(lengths, initial=0))
    return offsets if device.type == "cpu" else IndexedOffsets.on(device, offsets)


def pack(arrays: Sequence[npt.NDArray[Any]]) -> Tensor:
    """One array after another. A single array is not copied if it is aligned as PyTorch's own are."""
    first = arrays[0]
    if len(arrays) == 1 and first.flags.c_contiguous and first.flags.writeable and first.ctypes.data % ALIGNMENT == 0:
        return torch.from_numpy(first)
    of_same_type = torch.from_numpy(np.empty(0, first.dtype))
    packed = of_same_type.new_empty(sum(map(len, arrays)), *first.shape[1:])
    np.concatenate(arrays, out=packed.numpy())
    return packed


def releaser(features: npt.NDArray[Any]) -> Callable[[], object]:
    """A function that drops mapped features from this process's memory until they are read again."""
    base: object = features
    while isinstance(base, np.ndarray):
        base = base.base
    owner = base.obj if isinstance(base, memoryview) else base
    if not isinstance(owner, mmap.mmap) or not hasattr(mmap, "MADV_DONTNEED"):
        return lambda: None
    return partial(owner.madvise, mmap.MADV_DONTNEED)
