"""Fingerprints of the data that a training or search has read, by content, so that changes are noticed.

A fingerprint has a checksum for each file: of the classes of the mapping, of the names in the two lists of the split,
of the labels of a video, and of its features as they are read (which the feature cache knows without reading them). It
contains no time and no path outside the data set, so it is the same on all machines.
"""

from __future__ import annotations

import fcntl
import re
import sys
import warnings
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from common.atomic_file import write_json
from common.bad_input import BadInput
from common.read_file import read_json
from nas_space.networks.ms_tcn import same_settings
from trials.data.dataset import Dataset

Fingerprint = dict[str, str]
"""Checksum (eight hexadecimal digits) of what was read of each file, by its name within the data set."""

CHECKSUM = re.compile(r"[0-9a-f]{8}")
VIDEO_LISTS = ("train_videos", "validation_videos", "test_videos")
"""Entries of a description that come from the lists of a split."""


class ChangedData(BadInput):
    """The data has changed since a training or search started."""


def is_fingerprint(content: Any) -> bool:
    """Whether the content of a file is a fingerprint."""
    return isinstance(content, dict) and all(
        isinstance(name, str) and isinstance(checksum, str) and CHECKSUM.fullmatch(checksum)
        for name, checksum in content.items()
    )


def changed_files(before: Fingerprint, now: Fingerprint) -> list[str]:
    """The files in both fingerprints whose checksums differ, in the order of the second."""
    return [name for name, checksum in now.items() if before.get(name, checksum) != checksum]


def labelled_videos(fingerprint: Fingerprint) -> tuple[str, ...]:
    """The videos of a fingerprint."""
    names = (Path(name) for name in fingerprint)
    return tuple(name.name.removesuffix(".txt") for name in names if name.parent == Path("groundTruth"))


def experiment_file(folder: Path, dataset: Dataset, split: int) -> Path:
    """The file in which the trials of an experiment, or the steps of a run, keep the fingerprint of a split."""
    return folder / f"data-split{split}-every{dataset.sample_rate}-{dataset.feature_dtype}.json"


def read_fingerprint(path: Path) -> Fingerprint:
    """The fingerprint in a file of ``experiment_file``. Raises BadInput if it is damaged."""
    content = read_json(path)
    if not is_fingerprint(content):
        raise BadInput(f"{path}: damaged (no checksums of data); remove it if you know that the data has not changed")
    fingerprint: Fingerprint = content
    return fingerprint


def add_fingerprint(shared: Path, now: Fingerprint) -> list[str]:
    """Add to the fingerprint in a file what it lacks, if nothing differs; returns the files that differ.

    Raises:
        BadInput: the file is damaged.
    """
    shared.parent.mkdir(parents=True, exist_ok=True)
    with open(shared.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = read_fingerprint(shared) if shared.exists() else {}
        changed = changed_files(before, now)
        if not changed and not now.keys() <= before.keys():
            write_json(shared, {**before, **now})
        return changed


@dataclass
class DataRecord:
    """The data read so far of the videos of a split, compared with what was read before."""

    dataset: Dataset
    split: int
    videos: Sequence[str]
    since: str
    """The event since when it must not change: ``runs/x was started``."""
    advice: str
    """What to do if it has."""
    shared: Path | None = None
    """A file shared by all trials of an experiment."""
    files: Fingerprint = field(default_factory=dict)
    """Of all that has been read, also before an interruption."""
    _noted: Fingerprint = field(default_factory=dict)
    """Of what this process has read."""

    @classmethod
    def of_folder(cls, folder: Path, dataset: Dataset, split: int, videos: Sequence[str]) -> DataRecord:
        """A record of what the training or search in ``folder`` reads."""
        return cls(dataset, split, videos, f"{folder} was started", "restore it, or choose another folder")

    @cached_property
    def _lists(self) -> Fingerprint:
        """Mapping and lists, which are read once, at the start."""
        train, test = self.dataset.bundles(self.split)
        return {
            "mapping.txt": _checksum_of_lines(self.dataset.classes),
            f"splits/train.split{self.split}.bundle": _checksum_of_lines(train),
            f"splits/test.split{self.split}.bundle": _checksum_of_lines(test),
        }

    def _known(self) -> Fingerprint:
        labels = {f"groundTruth/{video}.txt": self._label_checksum(video) for video in self.videos}
        features = self.dataset.feature_checksums(self.videos)
        return self._lists | labels | {f"features/{video}.npy": checksum for video, checksum in features.items()}

    def _label_checksum(self, video: str) -> str:
        """Of the runs of class names, so that it does not depend on the mapping."""
        labels = self.dataset.labels(video)
        starts = np.flatnonzero(np.diff(labels, prepend=-1)).tolist()
        runs = [f"{start} {self.dataset.classes[labels[start]]}" for start in starts]
        return _checksum_of_lines([*runs, str(len(labels))])

    def note(self, unread: bool = False) -> None:
        """Note what has been read since the last call.

        Args:
            unread: also read the feature files that have not been read; with a cache, all are known without that.

        Raises:
            ChangedData: a file has changed.
            BadInput: a file is faulty, or ``shared`` is damaged.
        """
        if unread:
            self._read_the_rest()
        now = self._known()
        self._compare(self.files, now)
        if now != self._noted and self.shared is not None:
            self._refuse(add_fingerprint(self.shared, now))
        self._noted = now
        self.files = {**self.files, **now}

    def compare(self, saved: Any, path: Path, unread: bool = False) -> None:
        """Compare what has been read with the fingerprint that a file saves; warn if it has none (None).

        Raises:
            ChangedData: a file has changed.
            BadInput: the saved fingerprint is damaged.
        """
        if saved is None:
            warnings.warn(
                f"{path}: made by an earlier version, without a fingerprint of the data: "
                "whether the data has changed since is not known",
                stacklevel=2,
            )
            return
        if not is_fingerprint(saved):
            raise BadInput(f"{path}: damaged (no checksums of data); {self.advice}")
        self.note(unread)
        self._compare(saved, self.files)
        self.files = {**saved, **self.files}

    def go_on(
        self, content: Mapping[str, Any], name: str, description: Any, path: Path, refusal: str, unread: bool = False
    ) -> None:
        """Check that a saved training or search has these settings and this data.

        Args:
            content: of the file ``path``: settings under ``name``, and a fingerprint under ``data``.
            refusal: the message if the settings are not ``description``.

        Raises:
            ChangedData: as ``compare``; also if only the lists of the split have changed.
            BadInput: other settings, or damage.
        """
        saved, data = content.get(name), content.get("data")
        same = same_settings(saved, description)
        if same or (data is not None and same_settings(_without_videos(saved), _without_videos(description))):
            self.compare(data, path, unread)
        if not same:
            raise BadInput(refusal)

    def _read_the_rest(self) -> None:
        from tqdm import tqdm  # here, so that a training needs PyTorch and NumPy alone

        known = self.dataset.feature_checksums(self.videos)
        left = [video for video in self.videos if video not in known]
        if left:
            print(f"{self.dataset.folder}: reading {len(left)} feature files for their checksums", file=sys.stderr)
        for video in tqdm(left, unit="video", desc="reading", disable=None, leave=False):
            self.dataset.features(video)

    def _compare(self, before: Fingerprint, now: Fingerprint) -> None:
        self._refuse(changed_files(before, now))

    def _refuse(self, changed: Sequence[str]) -> None:
        if changed:
            more = len(changed) - 1
            others = f" (and so {'has' if more == 1 else 'have'} {more} more)" if more else ""
            path = self.dataset.folder / changed[0]
            raise ChangedData(f"{path}: has changed since {self.since}{others}; {self.advice}")


def _without_videos(description: Any) -> Any:
    if not isinstance(description, dict):
        return None
    return {name: value for name, value in description.items() if name not in VIDEO_LISTS}


def _checksum_of_lines(lines: Sequence[str]) -> str:
    return f"{zlib.crc32(chr(10).join(lines).encode()):08x}"
