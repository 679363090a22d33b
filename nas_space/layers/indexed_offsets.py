"""Offsets of packed videos with what the gathered form of a layer reads, made once a batch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Self

import numpy as np
import torch
from torch import Tensor


class IndexedOffsets(tuple[int, ...]):
    """Offsets ``(videos + 1,)`` that also lie on a device, frame by frame.

    Layers that are given these take their gathered form: see ``gathered.py``. Nothing here waits for the device.
    """

    bounds: Tensor
    """(2, frames), int32: the first frame of each frame's video, and the frame after its last one."""

    @classmethod
    def on(cls, device: torch.device, offsets: Sequence[int]) -> Self:
        """The same offsets, indexed on a device."""
        indexed = cls(offsets)
        edges = np.array(offsets, np.int32)
        bounds = torch.from_numpy(np.stack([edges[:-1], edges[1:]]).repeat(np.diff(edges), axis=1))
        if device.type == "cuda":
            bounds = bounds.pin_memory()
        indexed.bounds = bounds.to(device, non_blocking=True)
        return indexed

    def rows(self, shifts: Tensor) -> Tensor:
        """The frame that lies ``shifts`` after each frame; where its video has none, the number of frames.

        ``(layers, taps)`` -> ``(layers, frames, taps)``, int32.
        """
        start, end = self.bounds[:, :, None]
        frames = len(start)
        read = torch.arange(frames, dtype=torch.int32, device=shifts.device)[:, None] + shifts[:, None]
        return torch.where((read >= start) & (read < end), read, frames)

    def same_video(self) -> Tensor:
        """``(frames - 1,)``: whether each frame but the last lies in the same video as the next one."""
        return self.bounds[0, 1:] == self.bounds[0, :-1]


@lru_cache(maxsize=256)
def shifts_on(device: torch.device, dilations: tuple[int, ...], kernel_size: int, present: int) -> Tensor:
    """How far from the frame of the output each tap reads: ``(dilations, taps)``, int32.

    Kept, as a copy to a GPU is waited for: a structure takes its dilations there once, and not in each step.

    Args:
        present: index of the tap that reads the frame of the output itself.
    """
    taps = torch.arange(kernel_size, dtype=torch.int32) - present
    return (torch.tensor(dilations, dtype=torch.int32)[:, None] * taps).to(device)
