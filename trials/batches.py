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

from trials.dataset import Video


@dataclass(frozen=True)
class Batch:
    """Some videos, packed."""

    features: Tensor
    """(frames, channels)"""
    labels: Tensor
    """(frames,)"""
    offsets: tuple[int, ...]
    """(videos + 1,): where each video begins, and where the last one ends."""

    @classmethod
    def of(cls, videos: Sequence[Video], device: torch.device) -> Batch:
        """Pack videos onto a device."""
        return cls(
            pack([video.features for video in videos]).to(device),
            pack([video.labels for video in videos]).to(device),
            tuple(accumulate((len(video.labels) for video in videos), initial=0)),
        )


def pack(arrays: Sequence[npt.NDArray[Any]]) -> Tensor:
    """One array after another, where PyTorch aligns its own: matrix products of others differ in the last bit."""
    of_same_type = torch.from_numpy(np.empty(0, arrays[0].dtype))
    packed = of_same_type.new_empty(sum(map(len, arrays)), *arrays[0].shape[1:])
    np.concatenate(arrays, out=packed.numpy())
    return packed
