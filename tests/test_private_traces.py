"""What a user may hand on says nothing of the machine it was made on: no path, user, host, or environment."""

from __future__ import annotations

import json
import platform
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis import export
from analysis.history import read_history
from analysis.report import __main__ as report
from analysis.searches import SearchRecord, without_paths
from experiments.pipeline import summary
from experiments.plan import make_plan
from experiments.run_folder import Run
from nas_space import structure_files
from nas_space.structure_files import DIALECTS
from tests.analysis.plots.texts import texts_laid_out_once
from tests.analysis.records import write_global_records
from tests.conftest import REPOSITORY, write_dataset
from trials import evaluate, local_search, predict, train
from trials.training.checkpoint import save_torch

USER, HOST, SECRET = "maria.mustermann", "lab-host-17", "c7d2-secret-token"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with the user's name, on a machine that can be told."""
    folder = tmp_path / USER
    folder.mkdir()
    for name, value in {"HOME": str(folder), "USER": USER, "LOGNAME": USER, "API_TOKEN": SECRET}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(socket, "gethostname", lambda: HOST)
    monkeypatch.setattr(platform, "node", lambda: HOST)
    return folder


def test_nothing_private_is_written(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(main: Callable[[], None], *words: object) -> None:
        monkeypatch.setattr(sys, "argv", ["command", *map(str, words)])
        main()

    data = write_dataset(home / "data" / "small")
    out = home / "out"
    size = ("--network", "ms-tcn:stages=1,layers=2")
    training = ("--dataset", "small", "--split", 1, "--data-root", data.parent, "--epochs", 1, "--device", "cpu")

    records = write_global_records(home / "nni-experiments" / "Ab3dE" / "checkpoint", [10.0, 30.0])
    monkeypatch.setattr(export, "find_experiment", lambda _: records)
    for dialect in DIALECTS:
        best = out / f"{dialect}.json"
        run(export.main, "Ab3dE", "--dialect", dialect, "--output", best)
        run(structure_files.main, best, *size, "--dialect", dialect, "--output", out / f"again_{dialect}.json")
        structure = ("--structure", best, *size)
        final = out / "final" / dialect / "split1" / "seed0"
        run(train.main, *training, *structure, "--output", final)
    run(local_search.main, *training, *structure, "--iterations", 1, "--output", out / "local")
    there = ("--data-root", data.parent, "--split", 1, "--output", out / "predictions")
    run(predict.main, "--checkpoint", final / "model.pt", *there, "--scores")
    capsys.readouterr()
    run(evaluate.main, "--ground-truth", data / "groundTruth", "--predictions", out / "predictions", "--json")
    (out / "evaluate.json").write_text(capsys.readouterr().out)
    steps = make_plan(out, "small", "demo", [1], ["global", "local", "final"], [0])
    (out / "summary.txt").write_text(summary(Run(out, {}), steps))

    run_folder = out / "run"
    command = f"python3 -m trials.search_trial --dataset small --split 1 --data-root {data.parent}"
    told = without_paths({"trialCommand": command}, f"{REPOSITORY}/")
    SearchRecord("Ab3dE", told, read_history(records)).write(run_folder / "split1" / "global")
    shutil.copytree(out / "final" / "native", run_folder / "final" / "hand")
    settings = {"dataset": "small", "template": "demo", "splits": [1], "seeds": [0], "phases": ["global", "final"]}
    (run_folder / "pipeline.json").write_text(json.dumps({"settings": settings, "steps": {}}))
    with texts_laid_out_once():
        run(report.main, run_folder, "--data-root", data.parent)

    files = [path for path in out.rglob("*") if path.is_file()]
    written = {path.suffix for path in files} | {path.name for path in files}
    assert {
        "model.pt",
        "metrics.json",
        "log.csv",
        "local.json",
        "summary.json",
        ".npy",
        "report.html",
        ".svg",
    } <= written
    for path in files:
        content = path.read_bytes()  # torch.save does not compress
        traces = [trace for trace in (USER, HOST, SECRET, str(REPOSITORY)) if trace.encode() in content]
        assert (path.name, traces) == (path.name, [])


def test_a_trace_would_be_found(home: Path) -> None:
    """The format of checkpoints does not hide what is searched for above."""
    save_torch(home / "model.pt", {"dataset": str(home)})
    assert USER.encode() in (home / "model.pt").read_bytes()
