"""One packed file of features, as ``FeatureCache`` writes it."""

from __future__ import annotations

import json
import mmap
import operator
import os
import struct
import weakref
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from trials.data.feature_files import FeatureType, status_of

ALIGNMENT = 64
"""Of PyTorch's tensors, in bytes. With another alignment, matrix products may differ in the last bit."""
END = struct.Struct("<QI")
"""The last bytes of the file: length and checksum of the index before them."""


class Unusable(Exception):
    """A packed file cannot be used; the message says why."""


class Entry(NamedTuple):
    """The entry of a video in the index."""

    file_size: int
    file_changed: int
    """Time of the last change of content, which can be set to any value: no longer used."""
    full_frames: int
    start: int
    """Offset of its first byte."""
    frames: int
    channels: int
    checksum: int
    """CRC-32 of the values."""


class PackedFeatures:
    """A packed file, which stays readable after it was replaced."""

    def __init__(self, path: Path, dtype: FeatureType) -> None:
        """Raises FileNotFoundError, or Unusable: it is damaged."""
        self.dtype = np.dtype(dtype)
        self.file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # does not block on a pipe
        weakref.finalize(self, os.close, self.file)
        status = os.fstat(self.file)
        self._links = status.st_nlink
        self.status = status_of(status)
        """When it was opened."""
        end = max(0, self.status[0] - END.size)
        length, checksum = END.unpack(os.pread(self.file, END.size, end).ljust(END.size))
        index = os.pread(self.file, length, end - length) if 0 < length <= end else b""
        if not index or zlib.crc32(index) != checksum:
            raise Unusable("damaged")
        try:
            self.index_checksum = checksum
            self.videos = {video: Entry(*map(operator.index, entry)) for video, entry in json.loads(index).items()}
        except (ValueError, TypeError, AttributeError, RecursionError):
            raise Unusable("damaged") from None

    def is_unchanged(self) -> bool:
        """Whether nothing was written since it was opened, as far as size and times tell."""
        try:
            status = os.fstat(self.file)
        except OSError:  # replaced on another machine
            return False
        # A file that is replaced or removed loses its name, which is a change of its status, too.
        was_removed = status.st_nlink < self._links
        return status_of(status) == self.status or (was_removed and status_of(status)[:2] == self.status[:2])

    def rows(self, video: str) -> npt.NDArray[np.floating]:
        """(frames, channels): the features of a video, mapped copy-on-write."""
        entry = self.videos[video]
        values = entry.frames * entry.channels
        before = entry.start % mmap.ALLOCATIONGRANULARITY
        size = before + values * self.dtype.itemsize
        pages = mmap.mmap(self.file, size, access=mmap.ACCESS_COPY, offset=entry.start - before)
        return np.frombuffer(pages, self.dtype, values, before).reshape(entry.frames, entry.channels)

    def is_intact(self, video: str) -> bool:
        """Whether the features of a video have their checksum."""
        try:
            return zlib.crc32(self.rows(video).data) == self.videos[video].checksum
        except (KeyError, ValueError, OverflowError):  # missing, or the file is truncated
            return False
