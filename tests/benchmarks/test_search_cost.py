from __future__ import annotations

import pytest
import torch

from benchmarks import search_cost
from benchmarks.search_cost import FRAMES, Cost, main, video_lengths

torch.set_num_threads(1)  # tiny networks: more threads only wait for each other

SECONDS = {"plain": 2.0, "predict": 0.5}


def test_hours_are_those_of_all_steps_and_judgements() -> None:
    # 1284 training videos: 161 steps of 8; of a search 963 in 121 steps, and 321 to judge on.
    assert Cost("", "plain", 10, judges=False).hours(SECONDS, 8) == pytest.approx(10 * 161 * 2.0 / 3600)
    assert Cost("", "plain", 10, judges=True).hours(SECONDS, 8) == pytest.approx(10 * (121 * 2.0 + 321 * 0.5) / 3600)


@pytest.mark.parametrize("videos", [1, 8, 31])
def test_lengths_have_the_mean_of_breakfast(videos: int) -> None:
    lengths = video_lengths(videos)
    assert len(set(lengths)) == videos
    assert sum(lengths) / videos == pytest.approx(FRAMES, abs=1)


def test_the_command_measures(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(search_cost, "FRAMES", 20)
    monkeypatch.setattr(search_cost, "FEATURE_DIM", 8)
    monkeypatch.setattr("sys.argv", ["command", "--rounds", "1", "--batch-size", "2", "--device", "cpu"])
    main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["plain", "branched", "choosing", "predict"]
    assert all(float(line.split()[-4]) > 0 for line in lines[4:8])
