"""Packed videos: one after another, without padding. What a network is called with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class PackedVideos:
    """The frames of some videos."""

    features: Tensor
    """(frames, channels)"""
    offsets: tuple[int, ...]
    """(videos + 1,): where each video begins, and where the last one ends. No video sees another one."""
    release: Callable[[], object] | None = None
    """Takes the features out of this process's memory until they are read again, as far as they are mapped from a file;
    None where they need not be: on a GPU, in predictions, between stages."""
