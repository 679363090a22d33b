"""A step on a GPU waits for nothing, and is few operators: seen on a CPU and on the device ``meta``."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchmarks.operators import count_operators, synchronising_calls
from nas_space.layers.on_gpu.indexed_offsets import IndexedOffsets
from nas_space.layers.packed_videos import PackedVideos
from nas_space.networks import build, find_network
from nas_space.structure import Structure
from tests.nas_space.networks.test_gathered import CHANGES, NETWORKS, Change, hand
from trials.data.batches import Batch
from trials.training.scoring import forward
from trials.training.settings import TrainingSettings
from trials.training.training import Training

OFFSETS = (0, 40, 41, 100)
PLACES = [torch.device("cpu"), torch.device("meta")]


def batch_on(device: torch.device) -> Batch:
    """Of three videos, in the form of a GPU."""
    features, labels = torch.randn(OFFSETS[-1], 5), torch.randint(4, (OFFSETS[-1],))
    videos = PackedVideos(features.to(device), IndexedOffsets.on(device, OFFSETS))
    return Batch(videos, labels.to(device))


def training_of(structure: Structure, device: torch.device, change: Change = CHANGES["plain"]) -> Training:
    module: nn.Module = build(structure, 5, 4)
    change(module, structure)
    training = Training(module, TrainingSettings(), device)
    training.branch_learning_rate = 0.01
    training.network.train()
    return training


@pytest.mark.parametrize("device", PLACES, ids=str)
@pytest.mark.parametrize("change", [name for name in CHANGES if name != "activated"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_step_waits_for_nothing(name: str, change: str, device: torch.device) -> None:
    training, batch = training_of(hand(name), device, CHANGES[change]), batch_on(device)
    training.step(batch)  # takes the dilations to the device, once
    assert synchronising_calls(lambda: training.step(batch)) == []


@pytest.mark.parametrize("name", NETWORKS)
def test_a_prediction_waits_for_nothing(name: str) -> None:
    device = torch.device("meta")
    training, batch = training_of(hand(name), device), batch_on(device)
    forward(training.network, batch.videos)
    assert synchronising_calls(lambda: forward(training.network, batch.videos)) == []


def test_a_plain_step_is_at_most_600_operators() -> None:
    network = find_network("ms-tcn")
    training = training_of(Structure.hand(network), PLACES[0])
    batch = batch_on(PLACES[0])
    training.step(batch)
    assert count_operators(lambda: training.step(batch)).others <= 600


def test_what_waits_is_found() -> None:
    """The padded form, whose rows are copied to the device in each layer, and which assigns by a list."""
    training, batch = training_of(hand(NETWORKS[0]), PLACES[0]), batch_on(PLACES[0])
    plain = Batch(PackedVideos(batch.videos.features, OFFSETS), batch.labels)
    assert synchronising_calls(lambda: training.step(plain))
