"""Offsets of packed videos with what the gathered form of a layer reads, made once a batch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


class IndexedOffsets(tuple[int, ...]):
    """Offsets ``(videos + 1,)`` that also lie on a device, frame by frame.

    Layers that are given these take their gathered form: see ``gathered.py``. Nothing here waits for the device.
    """

    bounds: Tensor
    """(3, frames), int32: the first frame of each frame's video, the frame after its last one, and the frame itself."""
    _rows: dict[Tensor, Tensor]
    """By their shifts, of which each tensor is a key of its own: many layers, and stages, of a network share them."""

    @classmethod
    def on(cls, device: torch.device, offsets: Sequence[int]) -> Self:
        """The same offsets, indexed on a device."""
        edges = np.array(offsets, np.int32)
        of_frames = np.repeat([edges[:-1], edges[1:]], np.diff(edges), axis=1)
        bounds = np.concatenate([of_frames, np.arange(edges[-1], dtype=np.int32)[None]])
        return cls._with(offsets, copied_to(device, bounds))

    @classmethod
    def of(cls, bounds: Tensor) -> Self:
        """Videos whose ``bounds`` only the device knows; as numbers, these offsets are those of one video."""
        return cls._with((0, bounds.shape[1]), bounds)

    @classmethod
    def _with(cls, offsets: Sequence[int], bounds: Tensor) -> Self:
        indexed = cls(offsets)
        indexed._rows = {}
        indexed.bounds = bounds
        return indexed

    def rows(self, shifts: Tensor) -> Tensor:
        """The frame that lies ``shifts`` after each frame; where its video has none, the number of frames.

        ``(layers, taps)`` -> ``(layers, frames, taps)``, int32. The same tensor has the same rows: it may not change.
        """
        if shifts not in self._rows:
            start, end, present = self.bounds[:, :, None]
            read = present + shifts[:, None]
            self._rows[shifts] = read.masked_fill_((read < start) | (read >= end), len(present))
        return self._rows[shifts]

    def same_video(self) -> Tensor:
        """``(frames - 1,)``: whether each frame but the last lies in the same video as the next one."""
        return self.bounds[0, 1:] == self.bounds[0, :-1]

    def padded_pairs(self) -> Tensor:
        """How many pairs of neighbours the videos have if all are padded to the longest one, one number."""
        start, end, present = self.bounds
        return (start == present).sum() * ((end - start).amax() - 1)


def outside(device: torch.device, frames: int) -> Tensor:
    """``(3, frames)``: the ``bounds`` of frames that belong to no video. They read nothing, and nothing reads them."""
    present = torch.arange(frames, dtype=torch.int32, device=device)
    return torch.stack([present + 1, present, present])


def copied_to(device: torch.device, values: npt.NDArray[Any]) -> Tensor:
    """The values on a device. The copy to a GPU is not waited for, so PyTorch's pinned memory is its source: that is
    used again, but not before the copy has ended.
    """
    tensor = torch.from_numpy(np.ascontiguousarray(values))  # a strided array would be copied once more, unpinned
    return (tensor.pin_memory() if device.type == "cuda" else tensor).to(device, non_blocking=True)


@cache
def shifts_on(device: torch.device, dilations: tuple[int, ...], kernel_size: int, present: int) -> Tensor:
    """How far from the frame of the output each tap reads, and from the frame of the input each is read.

    ``(2 x dilations, taps)``, int32: first for the outputs, then, negated, for the gradients. Kept, as a copy to a GPU
    is waited for: a structure takes its dilations there once, and not in each step; and what is recorded on a GPU reads
    them where they are.

    Args:
        present: index of the tap that reads the frame of the output itself.
    """
    shifts = torch.tensor(dilations, dtype=torch.int32)[:, None] * (torch.arange(kernel_size) - present)
    return torch.cat([shifts, -shifts]).to(device, torch.int32)
