"""The comparison of gradients is small where they are equal, and would see a difference."""

from __future__ import annotations

import pytest
import torch

from benchmarks import gradients
from nas_space.layers.convolutions import BranchedConv

BRANCHES = [(1, 2, 4)] * 40


@pytest.fixture(autouse=True)
def short_video(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradients, "FRAMES", 100)


def test_equal_gradients_differ_by_rounding() -> None:
    assert gradients.largest_difference(BRANCHES, seed=0) < 1e-12


def test_a_wrong_gradient_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = BranchedConv.shares

    def wrong(self: BranchedConv) -> torch.Tensor:
        return shares(self) * 1.0001

    monkeypatch.setattr(BranchedConv, "shares", wrong)
    assert gradients.largest_difference(BRANCHES, seed=0) > 1e-10
