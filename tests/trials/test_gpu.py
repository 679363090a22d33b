"""A GPU computes what a CPU does. Skipped where there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import nn

from benchmarks.made_up_videos import made_up_videos
from nas_space import searchable
from nas_space.branching import Branching
from nas_space.layers.on_gpu.side_by_side import SideBySide
from nas_space.layers.packed_videos import PackedVideos
from nas_space.layers.stages import StagedNetwork
from nas_space.networks import build, ms_tcn
from nas_space.structure import Structure
from tests.conftest import write_dataset
from tests.nas_space.networks.packed import with_dropout
from trials.data.batches import Batch
from trials.data.dataset import Dataset
from trials.data.device_videos import DeviceVideos
from trials.training.adam import Adam
from trials.training.loss import segmentation_loss
from trials.training.scoring import score_network
from trials.training.settings import PRECISIONS, Precision, TrainingSettings
from trials.training.training import Training

CPU = torch.device("cpu")
NETWORK = ms_tcn.describe(stages=2, layers=3, channels=16)
STRUCTURE = Structure((2, 5, 40, 3, 9, 2), NETWORK)
LENGTHS = [30, 7, 100]
"""Of videos: some dilations see beyond all frames."""
CLASSES = 5

Prepare = Callable[[nn.Module], object]
KINDS: dict[str, Prepare] = {
    "plain": lambda _: None,
    "branched": lambda network: searchable.expand(network, STRUCTURE, Branching(count=3)),
    "choosing": lambda network: searchable.choose(network, NETWORK, dict.fromkeys(NETWORK.paths, (1, 4, 16, 64))),
}


@pytest.fixture
def gpu() -> torch.device:
    """The first one."""
    if not torch.cuda.is_available():
        pytest.skip("no GPU here")
    return torch.device("cuda")


def new_network(prepare: Prepare) -> nn.Module:
    torch.manual_seed(0)
    network = build(STRUCTURE, 8, CLASSES)
    prepare(network)
    return network


def loss_and_gradients(prepare: Prepare, device: torch.device, dtype: torch.dtype) -> tuple[float, list[torch.Tensor]]:
    """Without dropout, which draws other elements on another device."""
    network = new_network(prepare).eval().to(device, dtype)
    batch = Batch.of(made_up_videos(LENGTHS, 8, CLASSES), device)
    offsets = batch.videos.offsets
    logits = network(PackedVideos(batch.videos.features.to(dtype), offsets))
    loss = segmentation_loss(logits, batch.labels, offsets)
    loss.backward()
    gradients = [parameter.grad.cpu() for parameter in network.parameters() if parameter.grad is not None]
    return float(loss.detach()), gradients


@pytest.mark.parametrize("kind", KINDS)
def test_loss_and_gradients_are_those_of_a_cpu(gpu: torch.device, kind: str) -> None:
    expected, expected_gradients = loss_and_gradients(KINDS[kind], CPU, torch.float64)
    loss, gradients = loss_and_gradients(KINDS[kind], gpu, torch.float64)
    assert loss == pytest.approx(expected, rel=1e-12)
    assert len(gradients) == len(expected_gradients) > 0
    for gradient, other in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_network_learns(gpu: torch.device, kind: str, precision: Precision) -> None:
    settings = TrainingSettings(learning_rate=0.01, precision=precision)
    training = Training(new_network(KINDS[kind]), settings, gpu)
    training.branch_learning_rate = 0.01
    training.network.train()
    batch = Batch.of(made_up_videos(LENGTHS, 8, CLASSES), gpu)
    losses = [training.step(batch) for _ in range(60)]
    assert losses[-1] < losses[0] / 4


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_network_learns_by_a_recorded_step(gpu: torch.device, kind: str, precision: Precision) -> None:
    settings = TrainingSettings(learning_rate=0.01, precision=precision, cuda_graph=True)
    training = Training(new_network(KINDS[kind]), settings, gpu)
    training.replay(sum(LENGTHS), 8)
    batch = Batch.of(made_up_videos(LENGTHS, 8, CLASSES), gpu)
    losses = [training.step(batch) for _ in range(60)]
    assert losses[-1] < losses[0] / 4


def test_a_recorded_step_is_the_same(gpu: torch.device) -> None:
    """Without dropout, also on a batch of another size, and on one of the size that was recorded before."""
    trainings = [Training(with_dropout(new_network(KINDS["plain"]), 0.0), TrainingSettings(), gpu) for _ in range(2)]
    for training in trainings:
        training.network.double().train()
        training.optimizer = Adam(training.network.named_parameters())
    plain, recorded = trainings
    recorded.replay(sum(LENGTHS), 8)
    for lengths in (LENGTHS, LENGTHS[:2], [*LENGTHS[:2], 99], LENGTHS):
        batch = Batch.of(made_up_videos(lengths, 8, CLASSES), gpu)
        batch = replace(batch, videos=replace(batch.videos, features=batch.videos.features.double()))
        losses = [float(training.step(batch)) for training in (plain, recorded)]
        assert losses[1] == pytest.approx(losses[0], rel=1e-9)


def test_a_recorded_step_is_a_graph(gpu: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which reads the weights as they are now."""
    replays: list[None] = []
    replay = torch.cuda.CUDAGraph.replay
    monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", lambda graph: replays.append(replay(graph)))
    training = Training(with_dropout(new_network(KINDS["plain"]), 0.0), TrainingSettings(), gpu)
    training.replay(sum(LENGTHS), 8)
    assert training.replayed is not None
    batch = Batch.of(made_up_videos(LENGTHS, 8, CLASSES), gpu)
    first = float(training.replayed.loss(batch))
    with torch.no_grad():
        next(training.network.parameters()).mul_(2)
    assert float(training.replayed.loss(batch)) != first
    assert len(replays) == 2


def test_a_recorded_step_drops_other_elements_each_time(gpu: torch.device) -> None:
    training = Training(new_network(KINDS["plain"]), TrainingSettings(), gpu)
    training.replay(sum(LENGTHS), 8)
    assert training.replayed is not None
    batch = Batch.of(made_up_videos(LENGTHS, 8, CLASSES), gpu)
    assert len({float(training.replayed.loss(batch)) for _ in range(4)}) == 4


def test_networks_side_by_side_learn_what_each_does_alone(gpu: torch.device) -> None:
    structures = [STRUCTURE, Structure((1, 7, 2, 30, 4, 11), NETWORK)]
    modules = [with_dropout(build(each, 8, CLASSES), 0.0).double().to(gpu) for each in structures]
    batch = Batch.of(made_up_videos(LENGTHS, 8, CLASSES), gpu)
    batch = replace(batch, videos=replace(batch.videos, features=batch.videos.features.double()))
    offsets = batch.videos.offsets
    alone = torch.stack([segmentation_loss(module(batch.videos), batch.labels, offsets) for module in modules]).sum()
    together = segmentation_loss(SideBySide(cast(list[StagedNetwork], modules))(batch.videos), batch.labels, offsets)
    assert float(together.detach()) == pytest.approx(float(alone.detach()), rel=1e-12)


def test_a_training_goes_on_where_it_was(gpu: torch.device, tmp_path: Path) -> None:
    dataset = Dataset(write_dataset(tmp_path / "small"))
    train = dataset.split(1)[0]
    settings = TrainingSettings(epochs=4, batch_size=2)

    def new_training() -> Training:
        torch.manual_seed(0)
        network = build(STRUCTURE, dataset.feature_dim(train[0]), len(dataset.classes))
        return Training(network, settings, gpu)

    whole = new_training()
    losses = [whole.run_epoch(dataset, train) for _ in range(4)]
    first = new_training()
    first.run_epoch(dataset, train)
    first.run_epoch(dataset, train)
    state = first.state_dict()
    second = new_training()
    second.load_state_dict(state)
    # Sums of a GPU come in any order: the same numbers but for the rounding, which grows step by step.
    assert [second.run_epoch(dataset, train) for _ in range(2)] == pytest.approx(losses[2:], rel=1e-3)


def test_metrics_are_those_of_a_cpu(gpu: torch.device, tmp_path: Path) -> None:
    dataset = Dataset(write_dataset(tmp_path / "small"))
    videos = dataset.split(1)[1]
    network = build(STRUCTURE, dataset.feature_dim(videos[0]), len(dataset.classes))
    expected = score_network(network, DeviceVideos.on(dataset, CPU), videos, ())
    assert score_network(network.to(gpu), DeviceVideos.on(dataset, gpu), videos, ()) == pytest.approx(expected, abs=2)


def test_features_stay_on_it(gpu: torch.device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If more than 40 % of its memory is free."""
    dataset = Dataset(write_dataset(tmp_path / "small"))
    train, _ = dataset.split(1)
    videos = DeviceVideos.on(dataset, gpu)
    (first,) = videos.batches([train])
    monkeypatch.setattr(Dataset, "stored_features", lambda *_: pytest.fail("features are read again"))
    (second,) = videos.batches([train])
    assert first.videos.features.device.type == "cuda"
    assert torch.equal(first.videos.features, second.videos.features)
