"""Devices that are there or not, their precision, and a memory that is full."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import pytest
import torch

from common.bad_input import BadInput
from tests.trials.training.tiny_training import CPU
from trials import local_search, train
from trials.training.device import OutOfMemory, find_device, set_products
from trials.training.settings import PRECISIONS


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


def test_tf32_is_asked_for_where_it_is_wanted_only() -> None:
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32, matmul.allow_bf16_reduced_precision_reduction
    try:
        for precision in PRECISIONS:
            set_products(precision)
            assert matmul.allow_tf32 == cudnn.allow_tf32 == (precision == "tf32")
            assert not matmul.allow_bf16_reduced_precision_reduction
    finally:
        matmul.allow_tf32, cudnn.allow_tf32, matmul.allow_bf16_reduced_precision_reduction = before


@pytest.mark.parametrize("main", [train.main, local_search.main])
def test_every_command_says_what_to_do_about_a_full_gpu(
    main: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", full)
    with pytest.raises(OutOfMemory, match=r"^the GPU's memory is full; lower --batch-size, .*: CUDA out of memory\.$"):
        main()
