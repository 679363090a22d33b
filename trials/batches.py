"""Packed batches: videos one after another, without padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
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
            torch.from_numpy(np.concatenate([video.features for video in videos])).to(device),
            torch.from_numpy(np.concatenate([video.labels for video in videos])).to(device),
            tuple(accumulate((len(video.labels) for video in videos), initial=0)),
        )
