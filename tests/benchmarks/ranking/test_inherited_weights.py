from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.ranking.inherited_weights import main, put_on, report
from nas_space.ms_tcn import MSTCN
from nas_space.shape import MSTCNShape
from nas_space.structure import Structure
from trials.metrics import METRICS


def test_other_dilations_on_the_same_weights_make_the_network_of_those_dilations() -> None:
    shape = MSTCNShape(2, 3)
    other = Structure((4, 1, 2, 8, 8, 1), shape)
    network = MSTCN(Structure.hand(shape), 5, 3, channels=4).eval()
    expected = MSTCN(other, 5, 3, channels=4).eval()
    expected.load_state_dict(network.state_dict())
    frames, offsets = torch.randn(30, 5), (0, 12, 30)
    before = network(frames, offsets)
    put_on(network, other)
    assert network.structure == other
    assert torch.equal(network(frames, offsets), expected(frames, offsets))
    assert not torch.equal(network(frames, offsets), before)


def test_report_of_rankings_that_are_known() -> None:
    def metrics(value: float) -> dict[str, float]:
        return dict.fromkeys(METRICS, value)

    names, seeds = ("hand", "random0", "random1", "random2"), (0, 1)
    # After one epoch the order of the random structures is reversed, and on the test videos the last two change places.
    long: dict[tuple[str, int], dict[str, Any]] = {
        (name, seed): {
            "history": [metrics(10.0 - rank), metrics(10.0 + rank)],
            "test": metrics((0.0, 1.0, 3.0, 2.0)[rank]),
        }
        for rank, name in enumerate(names)
        for seed in seeds
    }
    inherited = {
        (start, seed): {name: [rank * sign, -rank * sign] for rank, name in enumerate(names[1:])}
        for start, sign in (("shared", 1.0), ("hand", -1.0))
        for seed in seeds
    }
    rows = {line[:32].strip(): line[32:].split() for line in report(long, inherited, seeds, 1).splitlines()}
    # Of three pairs, one is in the other order on the test videos: tau (2 - 1) / 3.
    assert rows["1 epochs from scratch"] == ["8.0", "-1.00", "-0.33"]
    assert rows["full training"] == ["12.0", "1.00", "0.33"]
    assert rows["shared weights"] == ["1.0", "1.00", "0.33"]
    assert rows["1 epochs from shared weights"] == ["-1.0", "-1.00", "-0.33"]
    assert rows["weights of hand"] == ["-1.0", "-1.00", "-0.33"]
    assert rows["1 epochs from those of hand"] == ["1.0", "1.00", "0.33"]


def test_the_command_measures_once(
    small_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ["--dataset", small_dataset.name, "--data-root", str(small_dataset.parent), "--split", "1"]
    options += ["--structures", "2", "--seeds", "0", "1", "--epochs", "1", "--few-epochs", "1", "--batch-size", "1"]
    options += ["--workers", "1"]
    monkeypatch.setattr("sys.argv", ["command", *options, "--no-cache", "--output", str(tmp_path / "study")])
    main()
    first = capfd.readouterr().out
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "study" / "inherited").iterdir()}
    assert sorted(path.name for path in kept) == [
        "hand_seed0.json",
        "hand_seed1.json",
        "shared_seed0.json",
        "shared_seed1.json",
    ]
    main()
    assert capfd.readouterr().out == first
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert "2 random structures x 2 seeds" in first
