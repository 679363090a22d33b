"""The tables say what follows from the figures, by hand."""

from __future__ import annotations

import pytest

from benchmarks.gpu.report import print_at_once, print_searches, print_shares
from benchmarks.gpu.start import FEATURES
from benchmarks.gpu.step import Side, Size, all_sides

SIZE = Size(videos=40, frames=100, feature_dim=8, classes=5, batch_size=8)


def rows(text: str) -> dict[str, list[float]]:
    found = {line[:60].strip(): line[60:].split() for line in text.splitlines()}
    return {what: list(map(float, cells)) for what, cells in found.items() if cells and cells[0][0].isdigit()}


def test_hours_of_searches(capsys: pytest.CaptureFixture[str]) -> None:
    # 16 videos are trained on in 4 s before, 2 s after from host memory, 1 s on the device: 2, 1 and 0.5 s a step.
    steps = {("before", "host"): 4.0, ("after", "host"): 2.0, ("after", "device"): 1.0, ("before", "device"): 9.0}
    steps |= {("replayed", "host"): 9.0, ("replayed", "device"): 0.5}
    seconds = {
        side: steps[side.form, side.place] if side.work == "step" else 8 * 0.25 for side in all_sides(["default"], [])
    }
    stages = {"start of Python": 1.0, FEATURES: 0.5, "the network and its first step": 2.0}
    print_searches(seconds, 16, 8.0, stages, SIZE)
    found = rows(capsys.readouterr().out)
    # 65 epochs of 5 steps; the features of 40 videos take 5 times those of a batch of 8.
    ways = ((3, 2), (3, 1), (5.5, 0.5), (5.5, 0.25))
    final = [(start + 65 * 5 * step) / 3600 for start, step in ways]
    assert found["final training: 1 x 65 epochs"] == pytest.approx(final, rel=1e-3)
    # A quarter of the videos, 10, is held out: 4 steps and 10 predictions of 0.25 s.
    paper = [5000 * (start + 5 * (4 * step + 2.5)) / 3600 for start, step in ways]
    assert found["genetic search, breakfast_paper.yml: 5000 x 5 epochs"] == pytest.approx(paper, rel=1e-3)
    parts = ("differentiable search: 3 x 30 epochs", "local search: 10 x 3 epochs", "final training: 1 x 65 epochs")
    whole = [sum(found[part][column] for part in parts) for column in range(4)]
    assert found["the default search: the last three"] == pytest.approx(whole, rel=1e-3)


def test_structures_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Of 2 s alone, two at once take 1.25 s each; eight were not measured."""
    seconds = {
        Side("step", network, form, "device"): value
        for form, factor in (("after", 1.0), ("replayed", 0.5))
        for network, value in (("plain", 2.0 * factor), ("plain x 2", 2.5 * factor))
    }
    print_at_once(seconds, 10)
    found = rows(capsys.readouterr().out)
    assert found == {"plain": [20, 10, 1, 1], "plain x 2": [12.5, 6.25, 1.6, 1.6]}


def test_shares_of_the_peak(capsys: pytest.CaptureFixture[str]) -> None:
    seconds = {
        Side("step", "plain", "before", "device", "TF32"): 2.0,
        Side("step", "plain", "after", "device", "TF32"): 0.5,
        Side("step", "plain", "replayed", "device", "TF32"): 0.25,
    }
    print_shares(seconds, {"TF32": (100e12, 4000e9)}, operations=20 * 10**12, moved={"TF32": 10**12})
    found = rows(capsys.readouterr().out)
    assert found["TF32, TFLOP/s"] == [100, 10, 40, 80, 10, 40, 80]
    assert found["TF32, GB/s"] == [4000, 500, 2000, 4000, 12.5, 50, 100]
