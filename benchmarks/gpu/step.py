"""Training steps and predictions of the networks of a search, in the form of before and in the new one.

Before, the layers of a GPU padded the videos of a batch to the longest one; they still do if the offsets of the videos
are plain numbers. With ``IndexedOffsets`` they gather the frames that each tap reads. Everything else is the same.
Steps in that form can also be recorded and replayed, as ``--cuda-graph`` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from benchmarks.gpu.precisions import in_precision
from benchmarks.made_up_videos import made_up_videos, ragged_lengths
from benchmarks.search_networks import NETWORKS, search_network
from nas_space.layers.on_gpu.indexed_offsets import IndexedOffsets
from nas_space.layers.packed_videos import PackedVideos
from trials.data.batches import Batch
from trials.data.dataset import Video
from trials.training.replayed_step import ReplayedStep
from trials.training.settings import TrainingSettings
from trials.training.training import Training

FORMS = ("before", "after")
REPLAYED = "replayed"
"""Steps in the form of after, recorded; on a CPU they are computed again."""
PLACES = ("host", "device")
"""Where the features are at the start of a step: in the memory of the process, or on the device already."""


@dataclass(frozen=True)
class Size:
    """The size of a data set, and of the batches of a training on it."""

    videos: int
    """In the training list of a split."""
    frames: int
    """Mean of the videos."""
    feature_dim: int
    classes: int
    batch_size: int = 8

    def batches(self, fraction: float) -> list[list[Video]]:
        """Whole batches of ragged videos, made up: about that fraction of the videos, but at least one."""
        videos = max(1, round(self.videos * fraction))
        videos -= videos % self.batch_size if videos > self.batch_size else 0
        lengths = np.random.default_rng(0).permutation(ragged_lengths(videos, self.frames)).tolist()
        made = made_up_videos(lengths, self.feature_dim, self.classes)
        return [made[start : start + self.batch_size] for start in range(0, videos, self.batch_size)]


BREAKFAST = Size(videos=1300, frames=2097, feature_dim=2048, classes=48)
"""As many videos as a split of Breakfast trains on, roughly, and its features, I3D's."""


def offsets_in_form(form: str, offsets: Sequence[int], device: torch.device) -> tuple[int, ...]:
    """Offsets whose type chooses the form of the layers."""
    if form == "before":
        return tuple(offsets)
    return offsets if isinstance(offsets, IndexedOffsets) else IndexedOffsets.on(device, offsets)


def batch_in_form(form: str, batch: Batch) -> Batch:
    """The same batch, for that form."""
    offsets = offsets_in_form(form, batch.videos.offsets, batch.labels.device)
    return replace(batch, videos=replace(batch.videos, offsets=offsets))


class Side(NamedTuple):
    """What is timed."""

    work: str
    """``step``: an epoch of training steps; ``prediction``: of the videos of the first batch, one after another."""
    network: str
    form: str
    place: str = "host"
    precision: str = "default"


Seconds = Mapping[Side, float]


def all_sides(precisions: Sequence[str], at_once: Sequence[str]) -> Iterator[Side]:
    """The sides of the benchmark; other precisions than the first for steps with the features on the device only.

    Args:
        at_once: of ``AT_ONCE``, which have no form of before.
    """
    default, *others = precisions
    for work, network, place in product(("step", "prediction"), NETWORKS, PLACES):
        for form in forms_of(work):
            yield Side(work, network, form, place, default)
    for precision, network in product(others, NETWORKS):
        for form in forms_of("step"):
            yield Side("step", network, form, "device", precision)
    for network, form in product(at_once, ("after", REPLAYED)):
        yield Side("step", network, form, "device", default)


def forms_of(work: str) -> tuple[str, ...]:
    """Those that there are; a prediction is never replayed."""
    return (*FORMS, REPLAYED) if work == "step" else FORMS


def functions_of(
    sides: Sequence[Side], size: Size, batches: Sequence[Sequence[Video]], device: torch.device
) -> dict[Side, Callable[[], object]]:
    """For each side a function that does its work once. Networks are shared by the forms and places."""

    @cache
    def training(network: str, is_bf16: bool) -> Training:
        torch.manual_seed(0)
        settings = TrainingSettings(batch_size=size.batch_size, precision="bf16" if is_bf16 else "float32")
        return Training(search_network(network, size.feature_dim, size.classes), settings, device)

    @cache
    def replayed(network: str, precision: str) -> ReplayedStep | None:
        most = max(sum(len(video.labels) for video in group) for group in batches)
        recorded = training(network, precision == "bf16")
        recorded.replay(most, size.feature_dim)
        return recorded.replayed

    def groups(work: str) -> Sequence[Sequence[Video]]:
        return batches if work == "step" else [[video] for video in batches[0]]

    @cache
    def on_device(work: str) -> list[Batch]:
        return [Batch.of(group, device) for group in groups(work)]

    @cache
    def indexed_on_device(work: str, form: str) -> list[Batch]:
        return [batch_in_form(form, batch) for batch in on_device(work)]

    def batches_of(side: Side) -> Iterator[Batch]:
        if side.place == "device":
            yield from indexed_on_device(side.work, side.form)
            return
        for group in groups(side.work):
            yield batch_in_form(side.form, Batch.of(group, device))

    def work(side: Side) -> None:
        of_side = training(side.network, side.precision == "bf16")
        of_side.network.train(side.work == "step")
        with in_precision(side.precision):
            of_side.replayed = replayed(side.network, side.precision) if side.form == REPLAYED else None
            for batch in batches_of(side):
                if side.work == "step":
                    of_side.step(batch)
                else:
                    predict(of_side.network, batch.videos)

    def function(side: Side) -> Callable[[], object]:
        return lambda: work(side)

    return {side: function(side) for side in sides}


@torch.no_grad()
def predict(network: nn.Module, videos: PackedVideos) -> torch.Tensor:
    """Class probabilities ``(frames, classes)`` of the last output, on the CPU, as the evaluation needs them."""
    return network(videos)[-1].softmax(dim=-1).cpu()


def step_on(device: torch.device, network: str, form: str, size: Size = BREAKFAST) -> Callable[[], object]:
    """One training step on a batch whose values do not matter, to look at its operators; ``meta`` needs no memory."""
    training = Training(search_network(network, size.feature_dim, size.classes), TrainingSettings(), device)
    training.network.train()
    lengths = ragged_lengths(size.batch_size, size.frames)
    offsets = tuple(np.cumsum([0, *lengths]).tolist())
    features = torch.zeros(offsets[-1], size.feature_dim, device=device)
    labels = torch.zeros(offsets[-1], dtype=torch.int64, device=device)
    release = (lambda: None) if device.type == "cpu" else None
    batch = batch_in_form(form, Batch(PackedVideos(features, offsets, release), labels))
    return lambda: training.step(batch)
