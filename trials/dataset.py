"""A data set in the standard layout of temporal action segmentation, read one video at a time.

    DIR/features/VIDEO.npy              (channels, frames)
    DIR/groundTruth/VIDEO.txt           one class name a frame
    DIR/mapping.txt                     one "id name" a class
    DIR/splits/{train,test}.splitK.bundle   the videos of split K, one a line

Nothing is ever written into it.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nas_space.bad_input import BadInput
from trials.known_datasets import defaults_of
from trials.label_files import Labels, read_bundle, read_labels, read_mapping

Features = npt.NDArray[np.float32]
"""(frames, channels)."""


def length_tolerance(frames: int) -> int:
    """By how many frames two files of one video of that many frames may differ: 16, or 2 % of a long video."""
    return max(16, frames // 50)


@dataclass(frozen=True)
class Video:
    """One labelled video as the network reads it."""

    name: str
    features: Features
    """(frames, channels), every sample_rate-th frame."""
    labels: Labels
    """(frames,), every sample_rate-th frame."""
    full_labels: Labels
    """(full_frames,), at the rate of the files."""


@dataclass(frozen=True)
class Dataset:
    """A folder in the standard layout, and how to read it."""

    folder: Path
    sample_rate: int = 1

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise BadInput(f"{self.folder}: no such data set folder (see --data-root, --dataset and $G2L_DATA_ROOT)")
        if self.sample_rate < 1:
            raise BadInput(f"the sample rate must be at least 1, not {self.sample_rate}")

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Class names by id."""
        return read_mapping(self.folder / "mapping.txt")

    @cached_property
    def class_ids(self) -> dict[str, int]:
        """Class ids by name."""
        return {name: identifier for identifier, name in enumerate(self.classes)}

    def splits(self) -> list[int]:
        """The numbers of the splits that the data set has, in order."""
        found = re.compile(r"train\.split(\d+)\.bundle")
        folder = self.folder / "splits"
        files = folder.iterdir() if folder.is_dir() else ()
        numbers = sorted(int(match[1]) for file in files if (match := found.fullmatch(file.name)))
        if not numbers:
            raise BadInput(f"{folder}: no train.splitK.bundle there")
        return numbers

    def bundles(self, number: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What the two lists of one split name, as they are.

        Raises:
            BadInput: a bundle is missing or damaged.
        """
        train, test = (self.folder / "splits" / f"{part}.split{number}.bundle" for part in ("train", "test"))
        if not train.exists():
            raise BadInput(f"{train}: no such split; {self.folder.name} has {', '.join(map(str, self.splits()))}")
        return read_bundle(train), read_bundle(test)

    def split(self, number: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names of the training and of the test videos of one split.

        Raises:
            BadInput: a bundle is missing or damaged, or a video is in both.
        """
        train_videos, test_videos = self.bundles(number)
        both = set(train_videos) & set(test_videos)
        if both:
            test = self.folder / "splits" / f"test.split{number}.bundle"
            raise BadInput(f"{test}: video {min(both)!r} is in the training list, too (train.split{number}.bundle)")
        return train_videos, test_videos

    def feature_path(self, video: str) -> Path:
        """Where the features of a video lie."""
        return self.folder / "features" / f"{video}.npy"

    def label_path(self, video: str) -> Path:
        """Where the labels of a video lie."""
        return self.folder / "groundTruth" / f"{video}.txt"

    def feature_dim(self, video: str) -> int:
        """Channels of the features, as the header of one video's file says."""
        return int(open_features(self.feature_path(video)).shape[0])

    def labels(self, video: str) -> Labels:
        """(full_frames,): the labels of a video at the rate of the files."""
        return read_labels(self.label_path(video), self.class_ids)

    def load(self, video: str, feature_dim: int | None = None) -> Video:
        """Read one video; features and labels are cut to the shorter of the two.

        Raises:
            BadInput: a file is missing or damaged, has other channels than ``feature_dim``, or the lengths differ by
                more than ``length_tolerance``.
        """
        path = self.feature_path(video)
        features, labels = open_features(path, feature_dim), self.labels(video)
        frames = common_frames(path, features.shape[1], len(labels))
        sampled = sample(features[:, :frames], self.sample_rate, path)
        return Video(video, sampled, labels[: frames : self.sample_rate], labels[:frames])

    def check(self, videos: Sequence[str], feature_dim: int | None = None) -> None:
        """Check all but the values of the features, and warn once where features and labels differ in length.

        Raises:
            BadInput: as ``load``.
        """
        cuts = []
        for video in videos:
            path = self.feature_path(video)
            frames, labels = open_features(path, feature_dim).shape[1], len(self.labels(video))
            common_frames(path, frames, labels)
            if frames != labels:
                cuts.append(abs(frames - labels))
        if cuts:
            warnings.warn(cut_warning(len(cuts), len(videos), max(cuts)), stacklevel=2)


def common_frames(path: Path, frames: int, labels: int) -> int:
    """How many frames to keep of a video whose features and labels may differ in length.

    Raises:
        BadInput: they differ by more than ``length_tolerance``.
    """
    if abs(frames - labels) > length_tolerance(labels):
        raise BadInput(
            f"{path}: {frames} frames, but its video has {labels} labels; "
            f"a difference of up to {length_tolerance(labels)} is cut"
        )
    return min(frames, labels)


def cut_warning(cut: int, videos: int, most: int) -> str:
    """The warning that some videos are cut."""
    return (
        f"{cut} of {videos} videos have features and labels of different length (by up to {most}): cut to the shorter"
    )


def open_features(path: Path, feature_dim: int | None = None) -> npt.NDArray[np.number]:
    """(channels, frames): a feature file as numpy maps it, its header checked and its content not read yet."""
    try:
        features = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise BadInput(f"{path}: no such feature file") from None
    except OSError as fault:
        raise BadInput(f"{path}: cannot be read: {fault.strerror or fault}") from None
    except Exception as fault:  # numpy raises ValueError, EOFError, SyntaxError, ... for damaged headers
        raise BadInput(f"{path}: not a numpy array file, or damaged ({type(fault).__name__})") from None
    if not isinstance(features, np.ndarray):
        raise BadInput(f"{path}: an archive, not one numpy array")
    if features.ndim != 2:
        raise BadInput(f"{path}: {features.ndim} axes, but features are (channels, frames)")
    if features.dtype.kind not in "fiu":
        raise BadInput(f"{path}: values of type {features.dtype}, but features are real numbers")
    if 0 in features.shape:
        raise BadInput(f"{path}: no frames or no channels: shape {features.shape}")
    if feature_dim is not None and features.shape[0] != feature_dim:
        raise BadInput(f"{path}: {features.shape[0]} channels, but {feature_dim} are expected")
    return features


def sample(features: npt.NDArray[np.number], sample_rate: int, path: Path) -> Features:
    """(channels, frames) -> (frames, channels): every ``sample_rate``-th frame, as float32, checked to be finite."""
    with np.errstate(over="ignore", invalid="ignore"):  # values beyond float32, and infinities that cancel: see below
        sampled = np.array(features[:, ::sample_rate].T, dtype=np.float32, order="C")
        # The sum is finite if all are (unless it overflows): one pass without an array of flags.
        suspicious = not np.isfinite(sampled.sum(dtype=np.float64))
    if suspicious and not np.isfinite(sampled).all():
        frame, channel = np.argwhere(~np.isfinite(sampled))[0]
        raise BadInput(f"{path}: NaN or infinity (channel {channel}, frame {frame * sample_rate})")
    return sampled


def find_dataset(name: str, data_root: Path | None = None, sample_rate: int | None = None) -> Dataset:
    """The data set of that name under the data root: ``data_root``, else $G2L_DATA_ROOT, else ./data."""
    root = data_root or Path(os.environ.get("G2L_DATA_ROOT") or "data")
    if sample_rate is None:
        sample_rate = defaults_of(name).sample_rate
    return Dataset(root / name, sample_rate)


def background_classes(name: str, classes: Iterable[str], chosen: Iterable[str] | None = None) -> tuple[str, ...]:
    """The background classes of a data set: those chosen, else its known ones, else ``background`` if it has one.

    Raises:
        BadInput: a chosen class is not in the mapping.
    """
    classes = tuple(classes)
    known = defaults_of(name).background
    names = tuple(chosen) if chosen is not None else known if known is not None else ("background",)
    if chosen is not None:
        for background in names:
            if background not in classes:
                raise BadInput(f"background class {background!r} is not in the mapping of {name}")
    return tuple(background for background in names if background in classes)
