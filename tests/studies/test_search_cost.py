from __future__ import annotations

import pytest
import torch

from common.bad_input import BadInput
from studies import search_cost
from studies.search_cost import FRAMES, Workload, main, video_lengths

torch.set_num_threads(1)  # tiny networks: more threads only wait for each other

SECONDS = {"plain step": 2.0, "plain prediction": 0.5, "branched step": 4.0, "branched prediction": 0.75}


def test_hours_are_those_of_all_steps_and_judgements() -> None:
    # 1284 training videos: 161 steps of 8; of a search 963 in 121 steps, and 321 to validate on.
    assert Workload("", "plain", 10, validates=False).hours(SECONDS, 8) == pytest.approx(10 * 161 * 2.0 / 3600)
    assert Workload("", "plain", 10, validates=True).hours(SECONDS, 8) == pytest.approx(
        10 * (121 * 2.0 + 321 * 0.5) / 3600
    )
    branched = Workload("", "branched", 10, validates=True).hours(SECONDS, 8)
    assert branched == pytest.approx(10 * (121 * 4.0 + 321 * 0.75) / 3600)


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
    networks = ("plain", "branched", "choosing")
    what = [f"{network} {work}" for network in networks for work in ("step", "prediction")]
    assert [line[:36].strip() for line in lines[:6]] == what
    assert all(float(line.split()[-4]) > 0 for line in lines[6:10])


@pytest.mark.parametrize("option", ["--rounds", "--batch-size"])
def test_what_cannot_be_timed_is_refused(option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["command", option, "0"])
    with pytest.raises(BadInput, match="at least 1"):
        main()
