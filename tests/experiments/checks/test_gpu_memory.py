"""What a trial takes of a GPU's memory, by hand; and who is refused."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock, patch

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from common.bad_input import BadInput
from experiments.checks import gpu_memory
from experiments.checks.command_check import TrialCommand
from experiments.checks.gpu_memory import (
    META,
    AllocatedBytes,
    check_memory,
    feature_bytes,
    places_in,
    step_bytes,
    trial_bytes,
)
from machines.gpus import Gpu
from nas_space.networks import find_network
from nas_space.networks.your_own import OwnNetwork
from nas_space.structure import Structure
from tests.conftest import write_dataset
from trials.data import dataset
from trials.data.dataset import Dataset
from trials.data.device_videos import DeviceVideos
from trials.data.feature_files import FeatureType
from trials.data.label_files import read_labels
from trials.trial_arguments import DIFFERENTIABLE_TRIAL, LOCAL_TRIAL, SEARCH_TRIAL

PARSERS = {
    "trials.search_trial": SEARCH_TRIAL,
    "trials.local_trial": LOCAL_TRIAL,
    "trials.differentiable_trial": DIFFERENTIABLE_TRIAL,
}
SMALL = find_network("ms-tcn:stages=1,layers=1")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "small")


def trial(data: Path, module: str = "trials.search_trial", *options: str) -> TrialCommand:
    words = ["--dataset", "small", "--data-root", str(data.parent), "--batch-size", "8"]
    split = [] if module == "trials.local_trial" else ["--split", "1"]
    return TrialCommand(module, PARSERS[module].parse([*words, *split, *options]), data)


def add_small_split(data: Path) -> None:
    """Split 2, of two videos."""
    for part, video in (("train", "p00-1"), ("test", "p00-2")):
        (data / "splits" / f"{part}.split2.bundle").write_text(f"{video}.txt\n")


def gpu(free_megabytes: int) -> Gpu:
    return Gpu(0, "GPU-0", f"{80000 - free_megabytes} MiB of 80000 MiB")


def test_bytes_by_hand() -> None:
    """In blocks of 512; views share the memory; what is gone is not counted any more, nor what is not on the device."""
    with AllocatedBytes() as allocated:
        on_cpu = torch.empty(1000)
        assert (on_cpu.numel(), allocated.now) == (1000, 0)
        first = torch.empty(1000, device=META)  # 4000 bytes: 8 blocks
        view = first[10:].view(-1)
        assert allocated.now == 8 * 512
        second = first + 1
        assert allocated.now == 16 * 512
        del first
        assert allocated.now == 16 * 512
        del view
        assert allocated.now == 8 * 512
        second.mul_(2)
        del second
        assert allocated.now == 0
    assert allocated.peak == 16 * 512


def test_what_the_gradient_needs_is_counted() -> None:
    with AllocatedBytes() as allocated:
        weight = torch.empty(128, device=META, requires_grad=True)
        saved = (weight * 2).exp().sum()
        # The weight, its exponential, and the sum; the product is gone.
        assert allocated.now == 3 * 512
        del saved


def test_memory_grows_with_the_frames_the_batch_and_the_branches() -> None:
    structure = Structure.hand(find_network("ms-tcn"))
    small, large = (step_bytes(structure, lambda _: None, [frames] * 8, 16, 4) for frames in (8192, 16384))
    # Each of 40 layers keeps input, hidden values and mask, 64 channels of 4 bytes; the rest is there for a time.
    kept = 8 * 8192 * 40 * 3 * 64 * 4
    assert kept < large - small < 1.6 * kept


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_features_of_a_step_are_three_times_those_of_its_batch(data: Path, dtype: FeatureType) -> None:
    """Of the batch, and of the next one while it is packed from the copies of its videos, which do not stay."""
    videos = DeviceVideos(Dataset(data, feature_dtype=dtype), META, spare=lambda: -1)
    train, _ = videos.dataset.split(1)
    with AllocatedBytes() as allocated:
        held = [videos._batch(train) for _ in range(2)]
    frames = held[0].videos.features.shape[0]
    labels_and_bounds = 2 * frames * (8 + 12)
    assert allocated.peak == pytest.approx(3 * frames * 6 * 4 + labels_and_bounds, abs=20 * 512)

    def step(feature_dim: int) -> int:
        return step_bytes(Structure.hand(SMALL), lambda _: None, [frames] * 200, feature_dim, 3)

    first_layer = 4 * 64 * 1000 * 4  # weights, gradients and two moments
    assert step(1006) - step(6) == pytest.approx(3 * 200 * frames * 1000 * 4 + first_layer, rel=0.01)


def test_a_prediction_of_more_frames_than_a_step_may_take_more(monkeypatch: pytest.MonkeyPatch) -> None:
    def need(at_once: int, lengths: list[int]) -> int:
        monkeypatch.setattr(gpu_memory, "FRAMES", at_once)
        return step_bytes(Structure.hand(SMALL), lambda _: None, lengths, 1000, 3)

    # Features, and input, output and hidden values of the layer.
    assert need(100_000, [1000]) - need(50_000, [1000]) > 50_000 * (3 * 1000 + 3 * 64) * 4
    assert need(1, [1000]) == need(100, [1000])  # less than a step


def test_a_recorded_step_keeps_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a prediction and the next size; a batch is copied to memory that stays, rounded up to 15360 frames."""

    def need(at_once: int, lengths: list[int], cuda_graph: bool) -> int:
        monkeypatch.setattr(gpu_memory, "FRAMES", at_once)
        return step_bytes(Structure.hand(SMALL), lambda _: None, lengths, 1000, 3, cuda_graph)

    static = 15360 * (1000 * 4 + 8 + 2 * 12)
    step = need(1, [15000], False)
    recorded = need(1, [15000], True)
    of_record = 15360 / 15000 * (step - 3 * 15000 * 1000 * 4)
    assert recorded - 3 * 15000 * 1000 * 4 == pytest.approx(static + 2 * of_record, rel=0.02)
    prediction = need(1_000_000, [1000], False)
    assert need(1_000_000, [1000], True) > prediction + 1000 * (1000 * 4 + 3 * 64 * 4)


@pytest.mark.parametrize("module", PARSERS)
def test_a_trial_whose_steps_are_recorded_needs_more(data: Path, module: str) -> None:
    needs = [trial_bytes(trial(data, module, *words), [1]) for words in ((), ("--cuda-graph",))]
    assert needs[0] < needs[1]


def test_the_longest_videos_make_the_largest_batch(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Mock(return_value=0)
    monkeypatch.setattr(gpu_memory, "step_bytes", step)
    add_small_split(data)
    assert trial_bytes(trial(data, "trials.search_trial", "--batch-size", "2"), [2, 1]) == gpu_memory.CONTEXT
    lengths = [np.load(data / "features" / f"{video}.npy").shape[1] for video in Dataset(data).split(1)[0]]
    assert step.call_args.args[2] == sorted(lengths)[-2:]


def test_labels_are_read_once(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Mock(wraps=read_labels)
    monkeypatch.setattr(dataset, "read_labels", read)
    of_trial = trial(data)
    check_memory(of_trial, [1], 1, [gpu(70000)])
    of_trial.dataset.longest(1)  # as warn_of_long_candidates looks for it
    assert sorted(call.args[0] for call in read.call_args_list) == sorted((data / "groundTruth").iterdir())


def test_branches_take_more(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_memory, "FRAMES", 1)  # predictions of many short videos take more than their training
    plain, branched, choosing = (trial_bytes(trial(data, module), [1]) for module in PARSERS)
    assert plain < branched < choosing
    assert branched < trial_bytes(trial(data, "trials.local_trial", "--inner-activation"), [1])


def test_trials_that_fit_are_counted_and_others_refused(data: Path) -> None:
    need = trial_bytes(trial(data), [1])
    free = (3 * need + 3 * feature_bytes(trial(data), [1])) // 2**20 + 1
    assert check_memory(trial(data), [1], 3, [gpu(free), gpu(70000)]).endswith("are free, so 3 fit")
    with pytest.raises(BadInput, match=r"^trialConcurrency: 4 trial.* are free.* write trialConcurrency: 3, or a smal"):
        check_memory(trial(data), [1], 4, [gpu(free), gpu(70000)])
    with pytest.raises(BadInput, match=r"beside 0\.0 GB of features.*: write a smaller --batch-size"):
        check_memory(trial(data), [1], 1, [gpu(10)])


def test_the_gpu_that_holds_fewest_trials_counts(data: Path) -> None:
    """Of 20 GB free of 24, 9.6 are left by features; of 18 GB free of 80, all are."""
    need = trial_bytes(trial(data), [1])
    gigabyte = 10**9 // 2**20
    small, large = ((free * gigabyte, total * gigabyte) for free, total in ((20, 24), (18, 80)))
    gpus = [Gpu(0, "GPU-0", f"{total - free} MiB of {total} MiB") for free, total in (small, large)]
    with patch.object(gpu_memory, "feature_bytes", return_value=10**12):
        line = check_memory(trial(data), [1], 1, gpus)
    assert line.endswith(f"20.0 GB are free, so {9.6e9 // need:.0f} fit")


def test_places_by_hand() -> None:
    """Features leave 40 of 100 free, in which the trials must fit if not all features do."""
    assert places_in(100, 100, 20, 30) == 2
    assert places_in(100, 100, 20, 13) == 3
    assert places_in(100, 100, 10, 90) == 4
    assert places_in(100, 100, 11, 90) == 3
    assert places_in(100, 100, 20, 0) == 5
    assert places_in(19, 100, 20, 0) == 0
    # Others take 70: no features stay.
    assert places_in(30, 100, 10, 90) == 3


@given(
    total=st.integers(1, 1000),
    used=st.integers(0, 1000),
    need=st.integers(1, 300),
    features=st.integers(0, 300),
)
def test_so_many_trials_fit_whatever_they_take_first(total: int, used: int, need: int, features: int) -> None:
    free = max(0, total - used)
    places = places_in(free, total, need, features)
    kept = min(places * features, max(0, free - int(0.4 * total)))
    assert kept + places * need <= free
    more = places + 1
    assert min(more * features, max(0, free - int(0.4 * total))) + more * need > free


def test_features_by_hand(data: Path) -> None:
    frames = sum(np.load(path, mmap_mode="r").shape[1] for path in (data / "features").glob("*.npy"))
    assert feature_bytes(trial(data), [1]) == frames * 6 * 4
    assert feature_bytes(trial(data, "trials.search_trial", "--feature-dtype", "float16"), [1]) == frames * 6 * 2
    add_small_split(data)
    assert feature_bytes(trial(data), [2, 1]) == frames * 6 * 4 > feature_bytes(trial(data), [2])


def test_what_is_not_known_is_not_checked(data: Path) -> None:
    assert check_memory(trial(data), [1], 9, [Gpu(0, "GPU-0", "[N/A] of [N/A]")]).endswith(
        "not checked: how much is free"
    )
    own = trial(data)
    own.arguments.network = Mock(spec=OwnNetwork)
    assert check_memory(own, [1], 9, [gpu(1)]).startswith("not checked: what ")
    assert check_memory(trial(data), [], 9, [gpu(1)]).startswith("not checked: memory of a GPU, as the tuner does not")
