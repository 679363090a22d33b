"""A training says where it fails, and refuses devices and settings that cannot be."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from common.bad_input import BadInput
from tests.trials.training.tiny_training import CPU, epochs, start
from trials import local_search, train
from trials.data.dataset import Dataset
from trials.training.settings import Precision
from trials.training.training import NonFiniteLoss, OutOfMemory, TrainingSettings, find_device


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_non_finite_loss_names_epoch_and_videos(
    dataset: Dataset, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = start()
    epochs(training, dataset, 1)
    monkeypatch.setattr("trials.training.training.segmentation_loss", lambda logits, *_: logits.sum() * value)
    with pytest.raises(NonFiniteLoss, match=r"the loss is \S+ in epoch 2 on p0\d-\d, p0\d-\d: lower the learning rate"):
        epochs(training, dataset, 1)


def test_exploding_training_is_caught(dataset: Dataset) -> None:
    with pytest.raises(NonFiniteLoss, match="in epoch"):
        epochs(start(learning_rate=1e30), dataset, 3)


@pytest.mark.parametrize("name", ["auto", "cpu"])
def test_devices_without_a_gpu(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_device(name) == CPU


def test_auto_takes_a_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert find_device("auto") == torch.device("cuda")


@pytest.mark.parametrize(("name", "count"), [("cuda", 0), ("cuda:0", 0), ("cuda:2", 2)])
def test_absent_devices_are_refused(name: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    with pytest.raises(BadInput, match=f"device '{name}' is not there: PyTorch sees {count} CUDA"):
        find_device(name)


@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_present_devices_are_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert find_device(name) == torch.device(name)


@pytest.mark.parametrize("name", ["", "gpu", "mps", "cuda:x", "cuda:-1", "cpu:0", "CPU", "cpu\n"])
def test_unknown_devices_are_refused(name: str) -> None:
    with pytest.raises(BadInput, match="unknown device"):
        find_device(name)


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_other_precisions_need_a_gpu(precision: Precision) -> None:
    with pytest.raises(BadInput, match=f"{precision} needs a CUDA device"):
        start(precision=precision)


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"epochs": 0}, r"epochs \(0\)"),
        ({"batch_size": 0}, r"batch size \(0\)"),
        ({"learning_rate": 0.0}, "learning rate must be above 0, not 0.0"),
        ({"learning_rate": math.nan}, "learning rate must be above 0, not nan"),
        ({"learning_rate": math.inf}, "learning rate must be above 0, not inf"),
        ({"smoothing_weight": -0.1}, "smoothing weight must be at least 0, not -0.1"),
        ({"smoothing_weight": math.nan}, "smoothing weight must be at least 0, not nan"),
        ({"seed": -1}, "the seed must .* not -1"),
        ({"seed": 2**64}, "the seed must .* not 18446744073709551616"),
        ({"decay_epochs": (5, 0)}, "decay epochs must .* not 0"),
        ({"average_last": -0.1}, "--average-last must be a share of the epochs, at least 0 and at most 1, not -0.1"),
        ({"average_last": 1.01}, "--average-last must .* not 1.01"),
        ({"average_last": math.nan}, "--average-last must .* not nan"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], fault: str) -> None:
    with pytest.raises(BadInput, match=fault):
        TrainingSettings(**settings)


def test_largest_seed_works() -> None:
    start(seed=2**64 - 1)


@pytest.mark.parametrize("main", [train.main, local_search.main])
def test_every_command_says_what_to_do_about_a_full_gpu(
    main: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", full)
    with pytest.raises(OutOfMemory, match=r"^the GPU's memory is full; lower --batch-size, .*: CUDA out of memory\.$"):
        main()
