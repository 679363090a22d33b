"""Packed videos, the input of a network: one after another, without padding."""

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
    """(videos + 1,): the start of each video, and the end of the last one. No video sees another one."""
    release: Callable[[], object] | None = None
    """Drops features that are mapped from a file from this process's memory until they are read again; None if that is
    not needed: on a GPU, in predictions, between stages."""
