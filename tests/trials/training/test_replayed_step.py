"""Steps that are replayed compute what others do: on a CPU, where a tape stands for a CUDA graph."""

from __future__ import annotations

import copy
import gc
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from benchmarks.operators import synchronising_calls
from common.bad_input import BadInput
from nas_space.layers.foreign_network import ForeignNetwork
from nas_space.networks import build
from nas_space.searchable import set_temperature
from tests.conftest import write_dataset
from tests.nas_space.networks.packed import with_dropout
from tests.nas_space.networks.test_gathered import CHANGES, NETWORKS, hand
from tests.trials.training import tape
from tests.trials.training.indexed_batch import batch_of
from tests.trials.training.tiny_training import epochs, start
from trials.data.dataset import Dataset
from trials.data.device_videos import DeviceVideos
from trials.training.replayed_step import ReplayedStep, check_replayable, rounded
from trials.training.scoring import score_network
from trials.training.settings import SmoothingAverage, TrainingSettings
from trials.training.training import Training

CPU, META = torch.device("cpu"), torch.device("meta")
REPLAYABLE = [name for name in CHANGES if name != "activated"]
LENGTHS = [[9, 1, 50, 4], [7, 50, 5], [64], [1], [30, 3], [2, 2, 64]]
"""Of the videos of each batch; the second one has the size of the first, and fewer frames."""
MOST = 72


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lets a tape stand for a CUDA graph; returns the sizes that are recorded."""
    sizes: list[int] = []

    def record(self: ReplayedStep, size: int) -> Callable[[], object]:
        sizes.append(size)
        return tape.recorded(lambda: self._compute(size))

    monkeypatch.setattr(ReplayedStep, "_recorded", record)
    return sizes


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset(write_dataset(tmp_path / "small"))


def training_of(
    name: str, change: str = "plain", dropout: float = 0.0, device: torch.device = CPU, **settings: Any
) -> Training:
    torch.manual_seed(0)
    structure = hand(name)
    module = build(structure, feature_dim=5, classes=4)
    CHANGES[change](module, structure)
    training = Training(with_dropout(module, dropout).double(), TrainingSettings(**settings), device)
    training.network.train()
    return training


def both(*arguments: Any, **settings: Any) -> tuple[Training, Training]:
    """A training whose steps are replayed, and the same one operator by operator."""
    plain = training_of(*arguments, **settings)
    plain.branch_learning_rate = 0.01
    replayed = copy.deepcopy(plain)
    replayed.replay(MOST, 5)
    return replayed, plain


def assert_same_weights(ours: Training, theirs: Training) -> None:
    torch.testing.assert_close(ours.network.state_dict(), theirs.network.state_dict(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("average", ["valid", "padded"])
@pytest.mark.parametrize("change", REPLAYABLE)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_training_has_the_same_losses_and_weights(
    name: str, change: str, average: SmoothingAverage, recording: list[int]
) -> None:
    replayed, plain = both(name, change, smoothing_average=average)
    for seed, lengths in enumerate(LENGTHS):
        batch = batch_of(lengths, seed=seed)
        torch.testing.assert_close(replayed.step(batch), plain.step(batch), rtol=1e-12, atol=1e-12)
    assert_same_weights(replayed, plain)
    assert recording == [MOST, 64, 1, 36]  # each once, the largest first


@pytest.mark.parametrize("change", ["choosing", "leaving out first"])
def test_a_differentiable_search_cools_while_its_steps_are_replayed(change: str, recording: list[int]) -> None:
    replayed, plain = both(NETWORKS[0], change)
    for seed, temperature in enumerate((1.0, 0.5, 0.1)):
        for training in replayed, plain:
            set_temperature(training.network, temperature)
        batch = batch_of([60], seed=seed)
        torch.testing.assert_close(replayed.step(batch), plain.step(batch), rtol=1e-12, atol=1e-12)
    assert_same_weights(replayed, plain)
    assert recording == [MOST, 60]


def test_dropout_samples_anew_in_each_replay(recording: list[int]) -> None:
    """Where no frame is filled up, what it samples is what it would sample without a record."""
    replayed, plain = both(NETWORKS[0], dropout=0.5)
    batches = [batch_of([60, 4], seed=seed) for seed in (0, 1, 0)]
    state = torch.get_rng_state()
    expected = [plain.step(batch) for batch in batches]
    torch.set_rng_state(state)
    torch.testing.assert_close([replayed.step(batch) for batch in batches], expected, rtol=1e-12, atol=1e-12)
    assert_same_weights(replayed, plain)
    assert recording == [MOST, 64]


@pytest.mark.usefixtures("recording")
def test_a_faulty_batch_leaves_nothing_behind() -> None:
    replayed, plain = both(NETWORKS[0])
    assert replayed.replayed is not None
    faulty = batch_of([64])
    faulty.videos.features.fill_(float("nan"))
    assert replayed.replayed.loss(faulty).isnan()
    good = batch_of([20, 38])
    torch.testing.assert_close(replayed.step(good), plain.step(good), rtol=1e-12, atol=1e-12)
    assert_same_weights(replayed, plain)


@pytest.mark.usefixtures("recording")
def test_the_loss_of_a_step_stays() -> None:
    """It is read after the epoch, when others have taken its place in the memory of the record."""
    replayed, _ = both(NETWORKS[0])
    first = replayed.step(batch_of([64]))
    before = first.item()
    assert replayed.step(batch_of([60], seed=1)).item() != before
    assert first.item() == before


@pytest.mark.parametrize("device", [CPU, META], ids=str)
@pytest.mark.parametrize("change", REPLAYABLE)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_step_waits_for_nothing(name: str, change: str, device: torch.device) -> None:
    training, batch = training_of(name, change, device=device), batch_of([40, 1, 20], device)
    training.replay(MOST, 5)
    training.step(batch)  # takes the dilations to the device, once
    assert synchronising_calls(lambda: training.step(batch)) == []


@pytest.mark.usefixtures("recording")
def test_a_number_that_is_no_tensor_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the tape shows what a CUDA graph would get wrong."""
    replayed, plain = both(NETWORKS[0], smoothing_weight=5.0)
    batch = batch_of([30, 30])
    for training in replayed, plain:
        training.step(batch)
    monkeypatch.setattr("trials.training.loss.TRUNCATION", 0.0)
    assert plain.step(batch).item() < replayed.step(batch).item() - 0.1


def test_a_gpu_records_a_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    graphs = Mock()
    monkeypatch.setattr("trials.training.replayed_step.graphs_on", Mock(return_value=graphs))
    training = training_of(NETWORKS[0])
    training.replay(MOST, 5)
    assert training.replayed is not None
    training.replayed._features = Mock(device=torch.device("cuda:1"))
    assert training.replayed._recorded(8) is graphs.record.return_value
    (function,) = graphs.record.call_args.args
    assert (function.func, function.args) == (training.replayed._compute, (8,))


def test_dropout_is_recorded_also_after_a_prediction() -> None:
    training = training_of(NETWORKS[0], dropout=0.5)
    training.network.eval()
    training.replay(MOST, 5)
    batch = batch_of([60])
    assert len({training.step(batch).item() for _ in range(3)}) == 3


def test_a_training_that_is_over_frees_its_memory() -> None:
    """At once, not when Python looks for cycles: on a GPU it is some gigabytes."""
    training = training_of(NETWORKS[0])
    training.replay(MOST, 5)
    training.step(batch_of([60]))
    gone = weakref.ref(training)
    gc.disable()
    try:
        del training
        assert gone() is None
    finally:
        gc.enable()


def test_epochs_in_the_way_of_a_gpu(dataset: Dataset, recording: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DeviceVideos, "on", lambda *_: DeviceVideos(dataset, CPU, spare=lambda: -1))
    train, test = dataset.split(1)
    results = []
    for cuda_graph in (False, True):
        training = start()
        with_dropout(training.network, 0.0)
        training.settings = replace(training.settings, cuda_graph=cuda_graph)
        losses = epochs(training, dataset, 3)
        assert (training.replayed is not None) is cuda_graph
        results.append((losses, score_network(training.network, training.videos(dataset), test, ())))
    (plain, plain_scores), (replayed, scores) = results
    assert replayed == pytest.approx(plain, rel=1e-4)
    assert scores == pytest.approx(plain_scores, abs=1)
    longest = sorted(dataset.frames(video) for video in train)[-2:]
    assert recording[0] == rounded(sum(longest)) == max(recording)
    assert len(recording) == len(set(recording))


@given(frames=st.integers(1, 10**6))
def test_frames_are_rounded_up_to_a_few_sizes(frames: int) -> None:
    size = rounded(frames)
    assert frames <= size <= max(frames, frames * 9 / 8)
    assert rounded(size) == size
    assert len({rounded(each) for each in range(2**12, 2**13)}) == 9  # with the first of the next ones


@pytest.mark.parametrize(
    ("frames", "size"), [(1, 1), (15, 15), (16, 16), (17, 18), (33, 36), (62, 64), (68, 72), (16776, 18432)]
)
def test_sizes_by_hand(frames: int, size: int) -> None:
    assert rounded(frames) == size


def test_layers_that_are_padded_are_refused() -> None:
    with pytest.raises(BadInput, match=r"^--cuda-graph: not with --inner-activation"):
        training_of(NETWORKS[0], "activated").replay(MOST, 5)


def test_a_network_of_your_own_is_refused() -> None:
    with pytest.raises(BadInput, match=r"^--cuda-graph: a network of your own \(my\.net:build\)"):
        check_replayable(ForeignNetwork(nn.Conv1d(5, 4, 1), 4, "my.net:build"))


def test_it_needs_a_gpu() -> None:
    with pytest.raises(BadInput, match=r"^--cuda-graph needs a CUDA device"):
        training_of(NETWORKS[0], cuda_graph=True)
