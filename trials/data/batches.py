"""Packed batches: videos one after another, without padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nas_space.layers.packed_videos import PackedVideos
from trials.data.dataset import Video
from trials.data.feature_cache import ALIGNMENT, letting_go


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
            release = (lambda: None) if is_copy else letting_go(videos[0].features)
        offsets = tuple(accumulate((len(video.labels) for video in videos), initial=0))
        return cls(PackedVideos(features, offsets, release), pack([video.labels for video in videos]).to(device))


def pack(arrays: Sequence[npt.NDArray[Any]]) -> Tensor:
    """One array after another. A single one that lies where PyTorch would put it is not copied."""
    first = arrays[0]
    if len(arrays) == 1 and first.flags.c_contiguous and first.flags.writeable and first.ctypes.data % ALIGNMENT == 0:
        return torch.from_numpy(first)
    of_same_type = torch.from_numpy(np.empty(0, first.dtype))
    packed = of_same_type.new_empty(sum(map(len, arrays)), *first.shape[1:])
    np.concatenate(arrays, out=packed.numpy())
    return packed
