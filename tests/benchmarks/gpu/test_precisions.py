"""Precisions are settings of PyTorch for as long as they are asked for."""

from __future__ import annotations

from contextlib import suppress

import pytest
import torch

from benchmarks.gpu.precisions import PRECISIONS, in_precision, largest_relative_difference, precisions_on


def switches() -> tuple[bool, bool]:
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize(
    ("precision", "expected"), [("default", (False, True)), ("float32", (False, False)), ("TF32", (True, True))]
)
def test_they_end_as_they_began(precision: str, expected: tuple[bool, bool]) -> None:
    before = switches()
    with suppress(ZeroDivisionError), in_precision(precision):
        assert switches() == expected
        raise ZeroDivisionError
    assert switches() == before


def test_the_default_comes_first() -> None:
    assert precisions_on(torch.device("cuda")) == tuple(PRECISIONS)
    assert precisions_on(torch.device("cpu")) == ("default",)
    assert next(iter(PRECISIONS)) == "default"


def test_differences_are_relative_to_the_largest_value() -> None:
    reference = torch.tensor([1.0, -4.0, 2.0])
    assert largest_relative_difference(torch.tensor([1.5, -4.0, 1.0]), reference) == 0.25
