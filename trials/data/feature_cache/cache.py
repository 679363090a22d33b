"""The features of a data set in one packed file, shared by all trials of a machine.

    NAME-everyN-DTYPE-KEY.features      (frames, channels) of one video after another, then the index of the videos

Each video starts at a multiple of 64 bytes, so that mapped features need no copy.

KEY depends on the folder of the feature files and on how they are read, so different settings never share a file. The
file has every readable video of all splits, so that the splits of a data set share it; files of some videos may be
missing.

A file beside it (``seen.py``) has size and times of each feature file when its content was last compared. If they
differ, the feature file is read again: if its content is that of the packed file, only the new times are noted (copies,
links and changes of owner have new times, too), else all is packed again.

Reading maps one video at a time. The pages belong to the kernel's page cache, shared by all processes, and are unmapped
with the array, so the memory of a trial is that of its batch. (In a map of the whole file every page ever touched would
count as the trial's.)

The index has a checksum, checked when it is read, and so has each video. Those are compared after packing and when the
packed file has changed since (its own size and times are noted, too), and not by each trial: that would take three
times as long as reading. A damaged file is packed again.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import sys
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from common.atomic_file import remove_leftovers, write_atomically
from common.bad_input import BadInput
from trials.data.feature_cache.packed import ALIGNMENT, END, Entry, PackedFeatures, Unusable
from trials.data.feature_cache.seen import Seen, read_seen, write_seen
from trials.data.feature_files import FeatureFiles, FileStatus, checksum_of, open_features

FORMAT = 2
"""Version of the file format: increase it with every change."""
READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)
ANOTHER_WAY = "name another folder with --cache DIR or $G2L_CACHE, or read the files directly with --no-cache"


def default_cache_folder() -> Path:
    """$G2L_CACHE, else $XDG_CACHE_HOME/global2local, else ~/.cache/global2local."""
    own, users = os.environ.get("G2L_CACHE"), os.environ.get("XDG_CACHE_HOME")
    return Path(own) if own else (Path(users) if users else Path.home() / ".cache") / "global2local"


class FeatureCache:
    """The packed features of one data set, which ``open`` finds or builds."""

    def __init__(self, files: FeatureFiles, folder: Path, all_videos: Callable[[], Sequence[str]]) -> None:
        features = Path(os.path.realpath(files.folder))  # Path.resolve fails for circular links
        data = features.parent
        if Path(os.path.realpath(folder)).is_relative_to(data):
            raise BadInput(f"--cache {folder}: lies in the data, which is only read; {ANOTHER_WAY}")
        settings = json.dumps([FORMAT, str(features), files.sample_rate, files.dtype, sys.byteorder])
        key = hashlib.sha256(settings.encode()).hexdigest()[:12]
        self.files = files
        self.path = folder / f"{data.name}-every{files.sample_rate}-{files.dtype}-{key}.features"
        self._seen = self.path.with_suffix(".seen")
        self._all_videos = all_videos
        self._packed: PackedFeatures | None = None

    def read(self, video: str) -> tuple[npt.NDArray[np.floating], int]:
        """As ``FeatureFiles.read``: (frames, channels), and the number of frames of the file."""
        packed = self._packed
        if packed is None or video not in packed.videos or not packed.is_unchanged():
            packed = self.open([video])
        return packed.rows(video), packed.videos[video].full_frames

    def checksums(self, videos: Sequence[str]) -> dict[str, str]:
        """``checksum_of`` what ``read`` returns for each video, without reading it.

        Raises:
            BadInput: as ``open``.
        """
        packed = self._packed
        if packed is None or not packed.videos.keys() >= set(videos):
            packed = self.open(videos)
        entries = {video: packed.videos[video] for video in videos}
        return {
            video: checksum_of(entry.checksum, (entry.frames, entry.channels), entry.full_frames)
            for video, entry in entries.items()
        }

    def shapes(self, videos: Sequence[str]) -> dict[str, tuple[int, ...]] | None:
        """(channels, frames) of each feature file, none of which is opened; None if there is no packed file of them."""
        try:
            packed = self._usable(videos)
        except (Unusable, BadInput, OSError):
            return None  # whoever opens the files says what is wrong with them
        return {video: (packed.videos[video].channels, packed.videos[video].full_frames) for video in videos}

    def open(self, videos: Sequence[str]) -> PackedFeatures:
        """Open the packed file. If it is missing, damaged or outdated, one process builds it.

        Raises:
            BadInput: the feature file of one of the videos is faulty; or the packed file cannot be written.
        """
        try:
            try:
                self._packed = self._usable(videos)
            except Unusable:
                self._packed = self._compared_or_built(videos)
        except OSError as fault:
            raise BadInput(f"{fault.filename or self.path}: {fault.strerror}; {ANOTHER_WAY}") from None
        return self._packed

    def room_to_pack(self) -> int:
        """The size in bytes of the packed file that will be built; 0 if there is one."""
        return 0 if self.path.exists() else sum(self._sizes([]).values())

    def _sizes(self, required: Sequence[str]) -> dict[str, int]:
        """The size in bytes of each readable video. Raises BadInput if a required one cannot be read."""
        sizes: dict[str, int] = {}
        for video in dict.fromkeys([*required, *self._all_videos()]):
            try:
                channels, frames = open_features(self.files.path(video)).shape
            except BadInput:
                if video in required:
                    raise
                continue
            sizes[video] = -(-frames // self.files.sample_rate) * channels * np.dtype(self.files.dtype).itemsize
        return sizes

    def _compared_or_built(self, videos: Sequence[str]) -> PackedFeatures:
        try:
            with self._lock():
                return self._usable_or_built(videos)
        except OSError as fault:
            if fault.errno not in READ_ONLY:
                raise
            try:
                return self._usable(videos, compare=True, note=False)
            except Unusable:
                raise fault from None

    def _usable_or_built(self, videos: Sequence[str]) -> PackedFeatures:
        try:
            # Another process may have built it meanwhile.
            return self._usable(videos, compare=True)
        except Unusable as fault:
            if self.path.exists():
                warnings.warn(f"{self.path}: {fault}; it is packed again", stacklevel=2)
        self._build(videos)
        try:
            return self._usable(videos, compare=True)
        except Unusable as fault:
            raise BadInput(f"{self.path}: just packed, but {fault}; {ANOTHER_WAY}") from None

    def _usable(self, videos: Sequence[str], compare: bool = False, note: bool = True) -> PackedFeatures:
        """The packed file, if it is undamaged and has all of these videos, unchanged; else raises Unusable.

        Args:
            compare: read files whose size or times differ; otherwise they count as changed.
            note: write what was compared, for the next time.
        """
        try:
            packed = PackedFeatures(self.path, self.files.dtype)
        except FileNotFoundError:
            raise Unusable("missing") from None
        for video in videos:
            if video not in packed.videos:
                raise Unusable(f"video {video!r} is not in it")
        seen = read_seen(self._seen, packed.index_checksum)
        statuses = {video: self.files.status(video) for video in videos}
        touched = {video: status for video, status in statuses.items() if seen.files.get(video) != status}
        if not touched and seen.packed == packed.status:
            return packed
        if not compare:
            raise Unusable(f"{self.files.path(next(iter(touched)))} has changed" if touched else "not compared yet")
        if seen.packed != packed.status:
            self._check(packed)
        if touched:
            self._compare(packed, touched)
        if note:
            write_seen(self._seen, packed.index_checksum, Seen({**seen.files, **touched}, packed.status))
        return packed

    def _check(self, packed: PackedFeatures) -> None:
        """Raise Unusable if features in the packed file do not have their checksum."""
        from tqdm import tqdm  # here, so that a training needs PyTorch and NumPy alone

        videos = tqdm(packed.videos, unit="video", desc="checking", disable=None, leave=False)
        if not all(map(packed.is_intact, videos)):
            raise Unusable("damaged")

    def _compare(self, packed: PackedFeatures, touched: dict[str, FileStatus]) -> None:
        """Raise Unusable if the content of a feature file differs from the packed file."""
        from tqdm import tqdm  # here, so that a training needs PyTorch and NumPy alone

        print(f"feature cache: comparing {len(touched)} feature files with {self.path}", file=sys.stderr, flush=True)
        for video, status in tqdm(touched.items(), unit="video", desc="comparing", disable=None, leave=False):
            entry = packed.videos[video]
            if status[0] == entry.file_size:
                features, full_frames = self.files.read(video)
                now = (full_frames, *features.shape, zlib.crc32(features.data))
                if now == (entry.full_frames, entry.frames, entry.channels, entry.checksum):
                    continue
            raise Unusable(f"{self.files.path(video)} has changed")

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Keep other processes from building; the kernel releases the lock of a process that dies."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path.with_suffix(".lock"), "w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"feature cache: waiting for the process that packs {self.path}", file=sys.stderr, flush=True)
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _build(self, videos: Sequence[str]) -> None:
        """Pack these videos and all others that can be read; the faults of those show when they are needed."""
        sizes = self._sizes(videos)
        needed = sum(sizes.values())
        folder = self.path.parent
        remove_leftovers(self.path)
        if needed > shutil.disk_usage(folder).free:
            self.path.unlink(missing_ok=True)
        free = shutil.disk_usage(folder).free
        if needed > free:
            raise BadInput(f"{folder}: {_size(needed)} are needed for the features, {_size(free)} free; {ANOTHER_WAY}")
        print(f"feature cache: {len(sizes)} videos, {_size(needed)}: {self.path}", file=sys.stderr, flush=True)
        statuses: dict[str, FileStatus] = {}
        write_atomically(self.path, partial(self._write, sizes, frozenset(videos), statuses))
        write_seen(self._seen, PackedFeatures(self.path, self.files.dtype).index_checksum, Seen(statuses, None))

    def _write(
        self, videos: Iterable[str], required: frozenset[str], statuses: dict[str, FileStatus], file: IO[bytes]
    ) -> None:
        """Write the packed file; adds those of the feature files to ``statuses``."""
        from tqdm import tqdm  # here, so that a training needs PyTorch and NumPy alone

        entries: dict[str, Entry] = {}
        for video in tqdm(videos, unit="video", desc="packing", disable=None, leave=False):
            try:
                status = self.files.status(video)  # before reading: a change from here on is noticed
                features, full_frames = self.files.read(video)
            except BadInput:
                if video in required:
                    raise
                continue
            frames, channels = features.shape
            checksum = zlib.crc32(features.data)
            file.write(bytes(-file.tell() % ALIGNMENT))
            entries[video] = Entry(status[0], status[1], full_frames, file.tell(), frames, channels, checksum)
            statuses[video] = status
            file.write(features.data)
        index = json.dumps(entries).encode()
        file.write(index + END.pack(len(index), zlib.crc32(index)))


def _size(number: int) -> str:
    return f"{number / 1e6:.1f} MB"
