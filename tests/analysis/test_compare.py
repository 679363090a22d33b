from __future__ import annotations

import csv
import json
import shutil
import sys
from pathlib import Path

import pytest

from analysis import compare
from common.bad_input import BadInput
from tests.analysis.report.conftest import SmallRun, small_run

__all__ = ["small_run"]


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", ["compare", *map(str, words)])
    compare.main()


def test_a_run_and_a_search_are_in_one_table_and_figure(
    small_run: SmallRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    search = small_run.folder / "split2" / "global"
    run(monkeypatch, small_run.folder, search, "--output", tmp_path / "new")
    names = [f"small split {split} {phase}" for split in (1, 2) for phase in ("global", "local")]
    with open(tmp_path / "new" / "table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["search"] for row in rows] == [*names, "Ab3dE"]
    # What the local search of split 1 found, and the means of its final trainings with two seeds.
    known = {
        "kind": "local",
        "dataset": "small",
        "objective": "f1@10",
        "best": "41.0",
        "test": "53.0",
        "test_hand": "50.0",
    }
    assert rows[1].items() >= (known | {"trials": "1", "epochs": "3", "hours": "0.01"}).items()
    # 2 x (5 + 9 + 1 + 2 + 1 + 20) + 1, half of it past.
    seen = {"dilations": "5 9 1 | 2 1 20", "receptive_field": "77", "past_frames": "38", "future_frames": "38"}
    assert rows[1].items() >= seen.items()
    assert rows[3]["test"] == "56.0"
    alone = {"kind": "genetic", "split": "2", "failures": "1", "best": "40.0", "test": "", "finished": "True"}
    assert rows[4].items() >= alone.items()
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"table.csv", "best_so_far.png", "best_so_far.svg"}
    printed = capsys.readouterr()
    head, *lines = printed.out.splitlines()
    headings = ["search", "kind", "data set", "split", "objective", "network", "trials", "epochs", "hours", "best"]
    assert head.split() == " ".join([*headings, "sees", "test", "hand's"]).split(" ")
    assert lines[1].split()[-6:] == ["3", "0.010", "41.0", "77", "53.0", "50.0"]
    assert "warning" not in printed.err


def test_different_data_and_objectives_are_told(
    small_run: SmallRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    search, other = small_run.folder / "split1" / "global", tmp_path / "other"
    shutil.copytree(search, other)
    path = other / "experiment.json"
    content = json.loads(path.read_text())
    content["settings"]["trialCommand"] = "python3 -m trials.search_trial --dataset gtea --split 1 --objective edit"
    path.write_text(json.dumps(content))
    run(monkeypatch, search, other)
    printed = capsys.readouterr()
    assert printed.err.splitlines() == [
        "warning: the searches have different data sets: their best scores are not comparable (small, gtea)",
        "warning: the searches have different objectives: their best scores are not comparable (f1@10, edit)",
    ]
    # Both have the experiment's id Ab3dE: where they lie tells them apart.
    assert [line.split()[:4] for line in printed.out.splitlines()[1:]] == [
        [str(search), "genetic", "small", "1"],
        [str(other), "genetic", "gtea", "1"],
    ]


def test_a_search_without_a_result_is_told(
    small_run: SmallRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(small_run.folder / "split1", folder / "split1")
    shutil.copy(small_run.folder / "pipeline.json", folder)
    (folder / "split1" / "local" / "records.jsonl").write_text('{"event": "error", "time": 3, "message": "no data"}\n')
    run(monkeypatch, folder)
    printed = capsys.readouterr()
    assert [line.split()[:3] for line in printed.out.splitlines()[1:]] == [["run", "global", "genetic"]]
    assert printed.err == f"warning: {folder}: left out: the local search of split 1 (no data)\n"


def test_a_run_without_searches_is_refused(
    small_run: SmallRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(small_run.folder / "final", tmp_path / "run" / "final")
    shutil.copy(small_run.folder / "pipeline.json", tmp_path / "run")
    with pytest.raises(BadInput, match=r"run: a run without searches; 'python -m analysis\.final' compares"):
        run(monkeypatch, tmp_path / "run")


def test_what_is_neither_a_run_nor_an_experiment_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(BadInput, match="unknown experiment 'nowhere'"):
        run(monkeypatch, "nowhere")
