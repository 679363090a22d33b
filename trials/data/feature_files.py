"""Read the feature files of a data set: one numpy array (channels, frames) per video."""

from __future__ import annotations

import os
import threading
import warnings
import zlib
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from common.bad_input import BadInput
from common.read_file import require_file

Features = npt.NDArray[np.float32]
"""(frames, channels); may be read-only."""

FeatureType = Literal["float32", "float16"]

FileStatus = tuple[int, int, int]
"""Size in bytes, and the times of the last change of content and of status, in nanoseconds. The first time can be set
to any value, the second only by the system."""

LARGEST_VALUE = 1e18
"""Largest absolute value of a feature. Gradients grow with the features, and Adam squares them: from about 1e19 on the
squares overflow float32 (3.4e38), and the first layer never changes. From about 1e38 on the loss is infinite."""

CHANNELS_AT_ONCE = 256
"""Transposing block by block takes about half the time of all channels at once."""


def status_of(status: os.stat_result) -> FileStatus:
    """Size and times, from what ``os.stat`` returns."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


@dataclass(frozen=True)
class FeatureFiles:
    """A folder of VIDEO.npy files, and how to read them."""

    folder: Path
    sample_rate: int = 1
    dtype: FeatureType = "float32"
    """Type that the features are rounded to."""

    def path(self, video: str) -> Path:
        """The feature file of a video."""
        return self.folder / f"{video}.npy"

    def status(self, video: str) -> FileStatus:
        """Size and times, which reveal a change without reading the file; they may change without its content."""
        try:
            return status_of(self.path(video).stat())
        except FileNotFoundError:
            raise BadInput(f"{self.path(video)}: no such feature file") from None
        except OSError as fault:
            raise BadInput(f"{self.path(video)}: cannot be read: {fault.strerror}") from None

    def read(self, video: str) -> tuple[npt.NDArray[np.floating], int]:
        """(frames, channels), every ``sample_rate``-th frame, as ``dtype``; and the number of frames of the file.

        Raises:
            BadInput: the file is missing or damaged, or has values that are not finite.
        """
        path = self.path(video)
        features = open_features(path)
        sampled = sample(features, self.sample_rate, path)
        return (to_float16(sampled, path) if self.dtype == "float16" else sampled), features.shape[1]


def checksum_of(data_checksum: int, shape: tuple[int, ...], full_frames: int) -> str:
    """Eight hexadecimal digits for features as they are read, the same on every machine and for every file type.

    Args:
        data_checksum: CRC-32 of the values.
        shape: (frames, channels) of the features that are read.
        full_frames: of the file.
    """
    return f"{zlib.crc32(repr((*shape, full_frames)).encode(), data_checksum):08x}"


def open_features(path: Path, feature_dim: int | None = None) -> npt.NDArray[np.number]:
    """(channels, frames): a feature file, mapped by numpy; its header is checked, its content is not read yet."""
    require_file(path, "feature file")
    # Warnings of sizes that overflow and of headers by Python 2 are muted, but not by a thread that reads ahead of a
    # training: the filters are those of all threads.
    is_main = threading.current_thread() is threading.main_thread()
    try:
        with warnings.catch_warnings(action="ignore") if is_main else nullcontext():
            features = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as fault:
        raise BadInput(f"{path}: cannot be read: {fault.strerror or fault}") from None
    except Exception as fault:  # numpy raises ValueError, EOFError, SyntaxError, ... for damaged headers
        raise BadInput(f"{path}: not a numpy array file, or damaged ({type(fault).__name__})") from None
    if not isinstance(features, np.memmap):
        raise BadInput(f"{path}: an archive, not one numpy array")
    surplus = path.stat().st_size - features.offset - features.nbytes
    if surplus:
        raise BadInput(f"{path}: {surplus} bytes more than its header says: damaged")
    if features.ndim != 2:
        raise BadInput(f"{path}: {features.ndim} axes, but features are (channels, frames)")
    if features.dtype.kind not in "fiu":
        raise BadInput(f"{path}: values of type {features.dtype}, but features are real numbers")
    if 0 in features.shape:
        raise BadInput(f"{path}: no frames or no channels: shape {features.shape}")
    if feature_dim is not None:
        check_channels(path, features.shape, feature_dim)
    return features


def check_channels(path: Path, shape: tuple[int, ...], feature_dim: int) -> None:
    """Raise BadInput if the shape ``(channels, frames)`` of a feature file has other channels."""
    if shape[0] != feature_dim:
        hint = "; it looks transposed, (frames, channels)" if shape[1] == feature_dim else ""
        raise BadInput(f"{path}: {shape[0]} channels, but {feature_dim} are expected{hint}")


def sample(features: npt.NDArray[np.number], sample_rate: int, path: Path, first: int = 0) -> Features:
    """(channels, frames) -> (frames, channels): every ``sample_rate``-th frame, as float32.

    Args:
        first: number of the first of these frames in the file, for messages.

    Raises:
        BadInput: a value is not finite, or larger than ``LARGEST_VALUE``; or the features do not fit into memory.
    """
    with np.errstate(over="ignore"):  # values beyond float32 become infinities: see below
        every = features[:, ::sample_rate]
        try:
            sampled = np.empty(every.shape[::-1], np.float32)
        except MemoryError:
            raise BadInput(f"{path}: {every.shape[1]} frames of {len(every)} channels do not fit into memory") from None
        for start in range(0, len(every), CHANNELS_AT_ONCE):
            block = slice(start, start + CHANNELS_AT_ONCE)
            sampled[:, block] = every[block].T
    # If there are NaNs, the largest value is NaN.
    largest = max(float(sampled.max()), -float(sampled.min()))
    if not largest <= LARGEST_VALUE:
        finite = np.isfinite(largest)
        bad = np.abs(sampled) > LARGEST_VALUE if finite else ~np.isfinite(sampled)
        frame, channel = np.argwhere(bad)[0]
        where = f"(channel {channel}, frame {first + frame * sample_rate})"
        if not finite:
            raise BadInput(f"{path}: NaN or infinity {where}")
        raise BadInput(
            f"{path}: a value of {sampled[frame, channel]:g} {where}: beyond {LARGEST_VALUE:g} float32 overflows in "
            "training, and nothing is learned: scale the features"
        )
    return sampled


def repeat_frames(predicted: npt.NDArray[np.int64], sample_rate: int, full_frames: int) -> npt.NDArray[np.int64]:
    """Predictions for every ``sample_rate``-th frame, repeated to all ``full_frames`` frames."""
    return predicted.repeat(sample_rate)[:full_frames]


def to_float16(features: Features, path: Path) -> npt.NDArray[np.float16]:
    """Round features to float16, which holds values up to 65504.

    Raises:
        BadInput: a value is larger.
    """
    with np.errstate(over="ignore"):
        rounded = features.astype(np.float16)
    if not np.isfinite(rounded).all():
        largest = np.abs(features).max()
        raise BadInput(f"{path}: a value of {largest:g} does not fit into float16: use --feature-dtype float32")
    return rounded
