"""Batches on a device, prepared while it computes the one before, of videos that stay there if they fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from nas_space.layers.on_gpu.indexed_offsets import IndexedOffsets, copied_to
from nas_space.layers.packed_videos import PackedVideos
from trials.data.batches import Batch, packed_video
from trials.data.dataset import Dataset

LEFT_FREE = 0.4
"""Of a GPU's memory, what features leave free, for the steps of all trials that share it."""
FRAMES = 32_768
"""Frames of a prediction of several videos. It takes less memory than a training step on half as many frames: 0.6 GB
and 1.1 GB for ms-tcn on 2048 channels, the same form measured on a CPU."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class OnDevice(NamedTuple):
    """A video on a device."""

    features: Tensor
    """(frames, channels), of the data set's type, also of frames that have no label."""
    labels: Tensor
    """(labelled frames,)"""
    full_frames: int
    """Of its feature file."""


@dataclass
class DeviceVideos:
    """The videos of a data set as a device wants them.

    On a CPU, a batch is read when it is needed, and features stay mapped. A GPU gets batches whose offsets are indexed,
    one ahead of the step, by a thread of their own; nothing is waited for but the files.
    """

    dataset: Dataset
    device: torch.device
    spare: Callable[[], int] | None = None
    """How many more bytes of features may stay on the device, now; None: the way of a CPU."""
    _kept: dict[str, OnDevice] = field(default_factory=dict)

    @classmethod
    def on(cls, dataset: Dataset, device: torch.device) -> DeviceVideos:
        """In the way that suits the device."""
        return cls(dataset, device, partial(spare_bytes, device) if device.type == "cuda" else None)

    def batches(self, groups: Iterable[Sequence[str]]) -> Iterator[Batch]:
        """The videos of each group as a batch, with their labels.

        Raises:
            BadInput: a file is missing or damaged.
        """
        if self.spare is None:
            return (Batch.of([self.dataset.load(video) for video in group], self.device) for group in groups)
        return _one_ahead(self._batch, groups)

    def whole(self, videos: Sequence[str]) -> Iterator[tuple[dict[str, int], PackedVideos]]:
        """All frames of videos, also those that have no label; with them, the frames of each video's file.

        On a CPU one video after another.

        Raises:
            BadInput: a file is missing or damaged.
        """
        if self.spare is None:
            for video in videos:
                features, full_frames = self.dataset.features(video)
                yield {video: full_frames}, packed_video(features, self.device)
        else:
            yield from _one_ahead(self._whole, _groups(videos, self.dataset.frames))

    def _batch(self, videos: Sequence[str]) -> Batch:
        loaded = self._loaded(videos).values()
        parts = [each.features[: len(each.labels)] for each in loaded]
        return Batch(self._packed(parts), torch.cat([each.labels for each in loaded]))

    def _whole(self, videos: Sequence[str]) -> tuple[dict[str, int], PackedVideos]:
        loaded = self._loaded(videos)
        full_frames = {video: each.full_frames for video, each in loaded.items()}
        return full_frames, self._packed([each.features for each in loaded.values()])

    def _packed(self, parts: Sequence[Tensor]) -> PackedVideos:
        offsets = IndexedOffsets.on(self.device, list(accumulate(map(len, parts), initial=0)))
        return PackedVideos(torch.cat(list(parts)).float(), offsets)

    def _loaded(self, videos: Sequence[str]) -> dict[str, OnDevice]:
        loaded = {video: self._kept.get(video) or self._copied(video) for video in videos}
        if not loaded.keys() <= self._kept.keys():
            assert self.spare is not None
            if self.spare() >= 0:
                self._kept |= loaded
        return loaded

    def _copied(self, video: str) -> OnDevice:
        stored, full_frames = self.dataset.stored_features(video)
        labels = self.dataset.sampled_labels(video, full_frames)
        return OnDevice(copied_to(self.device, stored), copied_to(self.device, labels), full_frames)


def spare_bytes(device: torch.device) -> int:
    """Bytes of a GPU that features may take, beside what is there; below 0 where they take too many already."""
    free, total = torch.cuda.mem_get_info(device)
    # PyTorch keeps what an earlier training of this process took, for the next one.
    free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(free - LEFT_FREE * total)


def _groups(videos: Sequence[str], frames: Callable[[str], int]) -> list[list[str]]:
    """Videos in order, in groups of up to ``FRAMES`` frames; a longer video is alone."""
    groups: list[list[str]] = []
    total = 0
    for video in videos:
        total += frames(video)
        if not groups or total > FRAMES:
            groups.append([])
            total = frames(video)
        groups[-1].append(video)
    return groups


def _one_ahead(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """The results in order; the next one is computed by another thread while this one is used."""
    with ThreadPoolExecutor(1) as thread:
        before: Future[Result] | None = None
        for item in items:
            following = thread.submit(function, item)
            if before is not None:
                yield before.result()
            before = following
        if before is not None:
            yield before.result()
