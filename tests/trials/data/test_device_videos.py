"""The way of a GPU, chosen on a CPU by what it has to spare, gives the batches, losses and metrics of a CPU's."""

from __future__ import annotations

import copy
import threading
import warnings
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch

from common.bad_input import BadInput
from nas_space.layers.on_gpu.indexed_offsets import IndexedOffsets
from nas_space.layers.packed_videos import PackedVideos
from tests.conftest import write_dataset
from tests.trials.training.tiny_training import CPU, start
from trials.data import device_videos
from trials.data.batches import Batch
from trials.data.dataset import Dataset
from trials.data.device_videos import DeviceVideos
from trials.data.label_files import Labels
from trials.training.scoring import forward, score_network
from trials.training.settings import TrainingSettings
from trials.training.training import NonFiniteLoss, Training

SPARES = [0, 1, 1000]
"""Batches that stay: none, one, and all."""


def spare(batches: int) -> Callable[[], int]:
    """Room for so many batches."""
    left = iter([0] * batches)
    return lambda: next(left, -1)


@pytest.fixture(params=["float32", "float16"])
def dataset(request: pytest.FixtureRequest, tmp_path: Path) -> Dataset:
    return Dataset(write_dataset(tmp_path / "small"), sample_rate=2, feature_dtype=request.param)


def both_ways(dataset: Dataset) -> tuple[DeviceVideos, DeviceVideos]:
    """The way of a GPU, and that of a CPU."""
    return DeviceVideos(dataset, CPU, spare(0)), DeviceVideos.on(dataset, CPU)


def like_a_gpu(training: Training, dataset: Dataset, batches: int | None) -> None:
    """Let a training take its videos in the way of a GPU on which so many batches stay; None: of a CPU."""
    with pytest.MonkeyPatch.context() as patch:
        way = None if batches is None else spare(batches)
        patch.setattr(DeviceVideos, "on", lambda *_: DeviceVideos(dataset, CPU, way))
        training.videos(dataset)


@pytest.mark.parametrize("batches", SPARES)
def test_batches_are_those_of_a_cpu(dataset: Dataset, batches: int) -> None:
    train, _ = dataset.split(1)
    groups = [train[:2], train[2:3], train[:2]]
    videos = DeviceVideos(dataset, CPU, spare(batches))
    found, expected = list(videos.batches(groups)), list(DeviceVideos.on(dataset, CPU).batches(groups))
    assert len(found) == len(expected) == 3
    for ours, theirs in zip(found, expected, strict=True):
        assert isinstance(ours.videos.offsets, IndexedOffsets)
        assert not isinstance(theirs.videos.offsets, IndexedOffsets)
        assert tuple(ours.videos.offsets) == theirs.videos.offsets
        assert ours.videos.features.dtype == torch.float32
        assert torch.equal(ours.videos.features, theirs.videos.features)
        assert torch.equal(ours.labels, theirs.labels)


def test_features_and_labels_are_cut_to_the_shorter(dataset: Dataset) -> None:
    (longer, shorter, *_), _ = dataset.split(1)
    for video, change in ((longer, lambda of: np.concatenate([of, of[:, :4]], 1)), (shorter, lambda of: of[:, :-4])):
        np.save(dataset.feature_path(video), change(np.load(dataset.feature_path(video))))
    (ours,), (theirs,) = (videos.batches([[longer, shorter]]) for videos in both_ways(dataset))
    assert torch.equal(ours.videos.features, theirs.videos.features)
    assert torch.equal(ours.labels, theirs.labels)
    assert len(ours.labels) == len(ours.videos.features) == dataset.frames(longer) + dataset.frames(shorter) - 2


def test_groups_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_videos, "FRAMES", 10)
    frames = {"a": 4, "b": 6, "c": 1, "d": 25, "e": 9, "f": 2}
    assert device_videos._groups(list(frames), frames.__getitem__) == [["a", "b"], ["c"], ["d"], ["e"], ["f"]]
    assert device_videos._groups([], frames.__getitem__) == []


def test_features_leave_a_share_of_the_memory_free(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of what PyTorch keeps for reuse, which the driver does not count as free."""
    bytes_of = {"mem_get_info": (1000, 2000), "memory_reserved": 700, "memory_allocated": 200}
    for name, value in bytes_of.items():
        monkeypatch.setattr(torch.cuda, name, lambda _, value=value: value)
    on_gpu = DeviceVideos.on(dataset, torch.device("cuda"))
    assert on_gpu.spare is not None
    assert on_gpu.spare() == 700  # 1000 + 700 - 200 less 40 % of 2000
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 1100)
    assert on_gpu.spare() == -200
    assert DeviceVideos.on(dataset, CPU).spare is None


def test_videos_stay_while_they_fit(dataset: Dataset) -> None:
    train, _ = dataset.split(1)
    videos, stored = DeviceVideos(dataset, CPU, spare(2)), Dataset.stored_features
    with patch.object(Dataset, "stored_features", autospec=True, side_effect=stored) as load:
        for _ in range(3):
            list(videos.batches([[video] for video in train]))
    read = [call.args[1] for call in load.call_args_list]
    assert read.count(train[0]) == read.count(train[1]) == 1
    assert all(read.count(video) == 3 for video in train[2:])


def test_the_next_batch_is_prepared_while_one_is_used(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    train, _ = dataset.split(1)
    prepared = {video: threading.Event() for video in train}
    load = DeviceVideos._batch

    def noting(self: DeviceVideos, group: list[str]) -> object:
        batch = load(self, group)
        prepared[group[0]].set()
        return batch

    monkeypatch.setattr(DeviceVideos, "_batch", noting)
    batches = DeviceVideos(dataset, CPU, spare(0)).batches([[video] for video in train])
    next(batches)
    assert prepared[train[1]].wait(timeout=60)
    assert not prepared[train[2]].is_set()


@pytest.mark.parametrize(("batches", "others"), [(None, 0), (0, 1)], ids=["cpu", "gpu"])
def test_no_more_batches_are_in_memory_than_are_needed(
    dataset: Dataset, batches: int | None, others: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a CPU the one that is read; on a GPU also the one of the present step."""
    training, seen, alive = start(), weakref.WeakSet[Batch](), list[int]()
    like_a_gpu(training, dataset, batches)
    method = "of" if batches is None else "_batch"
    owner = Batch if batches is None else DeviceVideos
    make = getattr(owner, method)

    def noting(*arguments: Any) -> Batch:
        alive.append(len(seen))
        batch: Batch = make(*arguments)
        seen.add(batch)
        return batch

    monkeypatch.setattr(owner, method, noting)
    training.run_epoch(dataset, dataset.split(1)[0] * 2)
    assert len(alive) == 4
    assert max(alive) == others


def test_the_thread_ends_with_the_training(dataset: Dataset) -> None:
    """Also where that fails before it has used what is prepared."""
    before = set(threading.enumerate())
    batches = DeviceVideos(dataset, CPU, spare(0)).batches([[video] for video in dataset.split(1)[0]])
    next(batches)
    assert len(set(threading.enumerate()) - before) == 1
    del batches
    assert set(threading.enumerate()) <= before


def test_the_thread_leaves_the_filters_of_warnings(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are those of all threads."""
    entered: list[threading.Thread] = []
    enter = warnings.catch_warnings.__enter__

    def noting(self: Any) -> Any:
        entered.append(threading.current_thread())
        return enter(self)

    monkeypatch.setattr(warnings.catch_warnings, "__enter__", noting)
    assert dataset.cache is None
    list(DeviceVideos(dataset, CPU, spare(0)).batches([dataset.split(1)[0]]))
    assert entered == []
    dataset.features(dataset.split(1)[0][0])
    assert entered == [threading.main_thread()]


def test_a_damaged_file_is_refused_where_its_batch_is_needed(dataset: Dataset) -> None:
    train, _ = dataset.split(1)
    dataset.feature_path(train[1]).write_bytes(b"damaged")
    batches = DeviceVideos(dataset, CPU, spare(0)).batches([[video] for video in train])
    next(batches)
    with pytest.raises(BadInput, match=train[1]):
        next(batches)


@pytest.mark.parametrize("batches", SPARES)
def test_a_training_learns_the_same(dataset: Dataset, batches: int) -> None:
    """Without dropout, whose elements differ; in double precision."""
    train, _ = dataset.split(1)
    networks = [Doubled(start().network) for _ in range(2)]
    trainings = [Training(network, TrainingSettings(batch_size=2), CPU) for network in networks]
    like_a_gpu(trainings[1], dataset, batches)
    for module in (module for network in networks for module in network.modules()):
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    losses = [[training.run_epoch(dataset, train) for _ in range(2)] for training in trainings]
    assert losses[1] == pytest.approx(losses[0], rel=1e-12)
    ours, expected = (network.state_dict() for network in networks)
    for name, weight in expected.items():
        torch.testing.assert_close(ours[name], weight, rtol=1e-8, atol=1e-10)


def test_logits_of_several_videos_are_those_of_each_alone(dataset: Dataset) -> None:
    network, names = Doubled(start().network), dataset.videos()
    alone = [forward(network, videos) for _, videos in DeviceVideos.on(dataset, CPU).whole(names)]
    ((_, together),) = DeviceVideos(dataset, CPU, spare(0)).whole(names)
    assert len(alone) == len(names) > 1
    torch.testing.assert_close(forward(network, together), torch.cat(alone, dim=1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("frames", [1, 30, 10**6])
@pytest.mark.parametrize("batches", SPARES)
def test_predictions_and_metrics_are_the_same(
    dataset: Dataset, batches: int, frames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several videos at a time, also where a file has more frames than labels."""
    monkeypatch.setattr(device_videos, "FRAMES", frames)
    train, test = dataset.split(1)
    path = dataset.feature_path(test[0])
    features = np.load(path)
    np.save(path, np.concatenate([features, features[:, :3]], axis=1))
    network, names = Doubled(start().network), [*train, *test]

    def scores(videos: DeviceVideos) -> tuple[dict[str, float], dict[str, list[int]]]:
        predicted: dict[str, list[int]] = {}

        def save(name: str, ids: Labels) -> None:
            predicted[name] = ids.tolist()

        return score_network(network, videos, names, (), save), predicted

    metrics, predicted = scores(DeviceVideos.on(dataset, CPU))
    assert scores(DeviceVideos(dataset, CPU, spare(batches))) == (metrics, predicted)
    assert len(predicted[test[0]]) == features.shape[1] + 3


class Doubled(torch.nn.Module):
    """A network of double precision."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network.double()

    def forward(self, videos: PackedVideos) -> torch.Tensor:
        output: torch.Tensor = self.network(replace(videos, features=videos.features.double()))
        return output


@pytest.mark.parametrize("batches", [None, 0], ids=["cpu", "gpu"])
def test_a_loss_that_is_no_number_is_told_with_its_videos(
    dataset: Dataset, batches: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once on a CPU; elsewhere at the end of the epoch, as every step waits for nothing."""
    training = start()
    training.settings = TrainingSettings(batch_size=1)
    like_a_gpu(training, dataset, batches)
    train, _ = dataset.split(1)
    seen: list[int] = []

    def step(_: object) -> torch.Tensor:
        seen.append(1)
        return torch.tensor(torch.nan if len(seen) == 2 else 1.0)

    monkeypatch.setattr(training, "step", step)
    order = [train[index] for index in torch.randperm(len(train), generator=copy.deepcopy(training.shuffling))]
    with pytest.raises(NonFiniteLoss, match=f"the loss is nan in epoch 1 on {order[1]}: lower"):
        training.run_epoch(dataset, train)
    assert len(seen) == (2 if batches is None else len(train))
    assert training.epoch == 0
