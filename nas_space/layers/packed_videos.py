"""Packed videos, the input of a network: one after another, without padding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PackedVideos:
    """The frames of some videos.

    Raises:
        RuntimeError: a network is traced. What is recorded would be of videos of these lengths, and silently wrong on
            others; ``nas_space.layers.plain`` is the form to export.
    """

    features: Tensor
    """(frames, channels)"""
    offsets: tuple[int, ...]
    """(videos + 1,): the start of each video, and the end of the last one. No video sees another one."""
    release: Callable[[], object] | None = None
    """Drops features that are mapped from a file from this process's memory until they are read again; None if that is
    not needed: on a GPU, in predictions, between stages."""

    def __post_init__(self) -> None:
        if torch.jit.is_tracing() or torch.compiler.is_exporting():  # type: ignore[attr-defined,no-untyped-call]
            raise RuntimeError("a network over packed videos cannot be traced: export it with trials.export_onnx")
