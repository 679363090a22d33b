"""A data set in the standard layout of temporal action segmentation, read video by video.

    DIR/features/VIDEO.npy              (channels, frames)
    DIR/groundTruth/VIDEO.txt           one class name per frame
    DIR/mapping.txt                     one "id name" per class
    DIR/splits/{train,test}.splitK.bundle   the videos of split K, one per line

Nothing is ever written into it.
"""

from __future__ import annotations

import os
import re
import warnings
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from common.bad_input import BadInput, naming
from trials.data.feature_cache.cache import FeatureCache
from trials.data.feature_files import (
    FeatureFiles,
    Features,
    FeatureType,
    FileStatus,
    check_channels,
    checksum_of,
    open_features,
)
from trials.data.known_datasets import defaults_of
from trials.data.label_files import Labels, read_bundle, read_labels, read_mapping
from trials.data.learnable import doubts
from trials.data.lengths import common_frames, cut_warning, transposed_message, transposed_videos


@dataclass(frozen=True)
class Video:
    """One labelled video as the network reads it."""

    features: Features
    """(frames, channels), every sample_rate-th frame."""
    labels: Labels
    """(frames,), every sample_rate-th frame."""


@dataclass(frozen=True)
class Dataset:
    """A folder in the standard layout, and how to read it."""

    folder: Path
    sample_rate: int = 1
    feature_dtype: FeatureType = "float32"
    """Type that the features are rounded to."""
    cache_folder: Path | None = None
    """Folder of the packed features, which are faster to read; None: read the files. The numbers are the same."""

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise BadInput(f"{self.folder}: no such data set folder (see --data-root, --dataset and $G2L_DATA_ROOT)")
        check_sample_rate(self.sample_rate)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Class names by id."""
        return read_mapping(self.folder / "mapping.txt")

    @cached_property
    def class_ids(self) -> dict[str, int]:
        """Class ids by name."""
        return {name: identifier for identifier, name in enumerate(self.classes)}

    @cached_property
    def files(self) -> FeatureFiles:
        """The feature files."""
        return FeatureFiles(self.folder / "features", self.sample_rate, self.feature_dtype)

    @cached_property
    def cache(self) -> FeatureCache | None:
        """The packed features; None without ``cache_folder``."""
        return FeatureCache(self.files, self.cache_folder, self.videos) if self.cache_folder is not None else None

    @cached_property
    def _labels(self) -> dict[str, npt.NDArray[np.unsignedinteger]]:
        """(full_frames,) of each video whose labels were read, in the smallest type for the number of classes."""
        return {}

    @cached_property
    def _read_from_files(self) -> dict[str, tuple[FileStatus, str]]:
        """For each video whose feature file was read, its status then and the checksum of what was read."""
        return {}

    def splits(self) -> list[int]:
        """The numbers of the splits, in order."""
        found = re.compile(r"train\.split(0|[1-9][0-9]{0,8})\.bundle")
        folder = self.folder / "splits"
        files = folder.iterdir() if folder.is_dir() else ()
        numbers = sorted(int(match[1]) for file in files if (match := found.fullmatch(file.name)))
        if not numbers:
            raise BadInput(f"{folder}: no train.splitK.bundle there")
        return numbers

    def bundles(self, number: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The training and the test list of a split, unchecked.

        Raises:
            BadInput: a bundle is missing or damaged.
        """
        train, test = (self.folder / "splits" / f"{part}.split{number}.bundle" for part in ("train", "test"))
        if not train.exists():
            raise BadInput(f"{train}: no such split; {self.folder.name} has {', '.join(map(str, self.splits()))}")
        return read_bundle(train), read_bundle(test)

    def split(self, number: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names of the training and the test videos of a split.

        Raises:
            BadInput: a bundle is missing or damaged, or a video is in both.
        """
        train_videos, test_videos = self.bundles(number)
        if both := set(train_videos) & set(test_videos):
            test = self.folder / "splits" / f"test.split{number}.bundle"
            raise BadInput(f"{test}: video {min(both)!r} is in the training list, too (train.split{number}.bundle)")
        return train_videos, test_videos

    def videos(self) -> list[str]:
        """All videos in the lists of all splits, as far as these can be read."""
        names: dict[str, None] = {}
        with suppress(BadInput):
            for number in self.splits():
                with suppress(BadInput):
                    train, test = self.bundles(number)
                    names |= dict.fromkeys(train + test)
        return list(names)

    def feature_path(self, video: str) -> Path:
        """The feature file of a video."""
        return self.files.path(video)

    def label_path(self, video: str) -> Path:
        """The label file of a video."""
        return self.folder / "groundTruth" / f"{video}.txt"

    def feature_dim(self, video: str) -> int:
        """Number of channels of one video's feature file."""
        return int(self.feature_shapes([video])[video][0])

    def feature_shapes(self, videos: Sequence[str]) -> dict[str, tuple[int, ...]]:
        """(channels, frames) of the feature file of each video; with packed features, the files are not opened.

        Raises:
            BadInput: a file is missing or damaged.
        """
        if self.cache is not None and (known := self.cache.shapes(videos)) is not None:
            return known
        return {video: open_features(self.feature_path(video)).shape for video in videos}

    def features(self, video: str) -> tuple[Features, int]:
        """Every ``sample_rate``-th frame of a video, (frames, channels), and the number of frames of its file.

        Raises:
            BadInput: the file is missing or damaged.
        """
        stored, full_frames = self.stored_features(video)
        return np.asarray(stored, dtype=np.float32), full_frames

    def stored_features(self, video: str) -> tuple[npt.NDArray[np.floating], int]:
        """As ``features``, of the type ``feature_dtype``: in half the space if that is float16."""
        if self.cache is not None:
            return self.cache.read(video)
        status = self.files.status(video)  # before reading: a change from here on is noticed
        features, full_frames = self.files.read(video)
        if self._read_from_files.get(video, (None,))[0] != status:
            checksum = checksum_of(zlib.crc32(features.data), features.shape, full_frames)
            self._read_from_files[video] = (status, checksum)
        return features, full_frames

    def feature_checksums(self, videos: Sequence[str]) -> dict[str, str]:
        """``checksum_of`` the features of each video that was read, or of all with a cache.

        Raises:
            BadInput: a feature file is faulty, or the packed file cannot be written.
        """
        if self.cache is not None:
            return self.cache.checksums(videos)
        return {video: self._read_from_files[video][1] for video in videos if video in self._read_from_files}

    def labels(self, video: str) -> Labels:
        """(full_frames,): the labels of a video at the rate of the files; each file is read once."""
        if video not in self._labels:
            labels = read_labels(self.label_path(video), self.class_ids)
            self._labels[video] = labels.astype(np.min_scalar_type(len(self.classes)))
        return self._labels[video].astype(np.int64)

    def frames(self, video: str) -> int:
        """The length of a video as the network reads it, by its labels."""
        return -(-len(self.labels(video)) // self.sample_rate)

    def longest(self, *splits: int) -> int:
        """The frames of the longest video of these splits."""
        return max(self.frames(video) for split in splits for part in self.split(split) for video in part)

    def load(self, video: str) -> Video:
        """Read one video; features and labels are cut to the shorter of the two.

        Raises:
            BadInput: a file is missing or damaged, or the lengths differ by more than ``length_tolerance``.
        """
        features, full_frames = self.features(video)
        labels = self.sampled_labels(video, full_frames)
        return Video(features[: len(labels)], labels)

    def sampled_labels(self, video: str, full_frames: int) -> Labels:
        """(frames,): every ``sample_rate``-th label of a video, as far as it has features.

        Args:
            full_frames: of its feature file.

        Raises:
            BadInput: the label file is missing or damaged, or the lengths differ by more than ``length_tolerance``.
        """
        labels = self.labels(video)
        return labels[: common_frames(self.feature_path(video), full_frames, len(labels)) : self.sample_rate]

    def check(self, videos: Sequence[str], feature_dim: int | None = None) -> None:
        """Check videos before they are loaded, and warn once if features and labels differ in length.

        The feature values are checked when they are packed or loaded.

        Raises:
            BadInput: as ``load``, or a feature file does not have ``feature_dim`` channels.
        """
        shapes = self.feature_shapes(videos)
        frames = {video: len(self.labels(video)) for video in videos}
        if transposed := transposed_videos(shapes, frames):
            raise BadInput(transposed_message(self.files.folder, transposed, shapes, frames))
        for video, shape in shapes.items():
            path = self.feature_path(video)
            if feature_dim is not None:
                check_channels(path, shape, feature_dim)
            common_frames(path, shape[1], frames[video])
        if cuts := [abs(shape[1] - frames[video]) for video, shape in shapes.items() if shape[1] != frames[video]]:
            warnings.warn(cut_warning(cuts, len(videos)), stacklevel=2)
        if self.cache is not None:
            self.cache.open(videos)

    def check_training(self, train: Sequence[str], others: Sequence[str], feature_dim: int) -> None:
        """Check all data of a training, and that something can be learned from it.

        Every training calls this before its first step.

        Args:
            train: the videos to train on.
            others: the videos to score.

        Raises:
            BadInput: as ``check``, or nothing can be learned.
        """
        self.check([*train, *others], feature_dim)
        with naming(self.folder):
            lines = doubts(train, others, self.labels, self.classes)
        for line in lines:
            warnings.warn(f"{self.folder}: {line}", stacklevel=2)


def is_plain_name(name: str) -> bool:
    """Whether a name can be that of a folder in the data root: not a path, and not read as an option."""
    return name != ".." and Path(name).name == name and not name.startswith("-")


def check_name(name: str) -> None:
    """Raise BadInput if a name is not a plain one."""
    if not is_plain_name(name):
        raise BadInput(f"{name!r} is not the plain name of a data set: give its folder's parent as --data-root")


def check_sample_rate(rate: int) -> None:
    """Raise BadInput for an invalid sample rate."""
    if rate < 1:
        raise BadInput(f"the sample rate must be at least 1, not {rate}")


def find_dataset(name: str, data_root: Path | None = None, sample_rate: int | None = None) -> Dataset:
    """The data set of that name under the data root: ``data_root``, else $G2L_DATA_ROOT, else ./data.

    Raises:
        BadInput: there is none, or the name is a path (results contain the name, and must not reveal where the data
            lies) or would be read as an option.
    """
    check_name(name)
    root = data_root or Path(os.environ.get("G2L_DATA_ROOT") or "data")
    if sample_rate is None:
        sample_rate = defaults_of(name).sample_rate
    return Dataset(root / name, sample_rate)
