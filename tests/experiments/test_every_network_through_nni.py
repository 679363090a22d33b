"""Every kind of network goes all the way as its user would take it: through the commands and real NNI experiments."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from experiments.demo_data import CHANNELS, CLASSES, write_demo
from tests.conftest import REPOSITORY

PYTORCH_TCN = """
from pytorch_tcn import TCN

def tcn(feature_dim, classes):
    return TCN(feature_dim, [8, 8], kernel_size=3, output_projection=classes)
"""


class Case(NamedTuple):
    """A network, and what its authors' code says of it."""

    text: str
    """As ``--network`` takes it."""
    record: dict[str, Any]
    """What names it in records and structure files."""
    convolutions: set[str]
    """Module paths of those that are searched."""
    causal: bool
    title: str = ""
    """In reports, unless that is ``text``."""


CASES = {
    "ms-tcn++": Case(
        "ms-tcn++:prediction=2,refinements=2,layers=2,shared=1,channels=8",
        {"name": "ms-tcn++", "prediction": 2, "refinements": 2, "layers": 2, "shared": 1, "channels": 8},
        {
            *(f"PG.conv_dilated_{part}.{layer}" for part in (1, 2) for layer in (0, 1)),
            *(f"Rs.0.layers.{layer}.conv_dilated" for layer in (0, 1)),
        },
        causal=False,
    ),
    "causal-ms-tcn": Case(
        "causal-ms-tcn:stages=2,layers=2,channels=8",
        {"name": "causal-ms-tcn", "stages": 2, "layers": 2, "channels": 8},
        {f"{stage}.layers.{layer}.conv_dilated" for stage in ("stage1", "stages.0") for layer in (0, 1)},
        causal=True,
    ),
    "pytorch-tcn": Case(
        "tcn.json",
        {"name": "your-own", "function": "my_networks:tcn", "feature_dim": CHANNELS, "classes": len(CLASSES)},
        {f"network.{block}.conv{which}" for block in (0, 1) for which in (1, 2)},
        causal=True,  # by default
        title="your-own (my_networks:tcn)",
    ),
}
SHORT = {
    "global": ["--epochs 1", "population_size: 2", "budget: 3"],
    "differentiable": ["--epochs 1", "seeds: [0]"],
    "local": ["--epochs 1", "iterations: 2"],
    "final": ["--epochs 2"],
}
"""What is changed in the files of ``g2l new``, to be quick."""
CANDIDATES = {2**exponent for exponent in range(9)}
"""Powers of two below the longest of the videos, which has 313 frames."""
CHANGED = 20
"""Number of frames at the end of a video that are changed."""


def g2l(*words: str) -> str:
    """What a command prints, in the current folder."""
    command = [sys.executable, "-m", "experiments.g2l", *words]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def shorten(file: Path, settings: list[str]) -> None:
    """Change options of the trial command and fields of the tuner in an experiment file, each written once."""
    text = file.read_text()
    for setting in settings:
        name = setting.split()[0]
        text, found = re.subn(rf"{name} (\[.*?\]|\d+)", setting, text)
        assert found == 1
    file.write_text(text)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_from_the_data_to_the_report(case: Case, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_demo(Path("data/kitchen"), train=8, test=2, seed=0)
    own = case.text == "tcn.json"
    if own:
        Path("my_networks.py").write_text(PYTORCH_TCN)
        sizes = ["--feature-dim", str(CHANNELS), "--classes", str(len(CLASSES))]
        g2l("describe", "--network", "my_networks:tcn", *sizes, "--output", case.text)
    g2l("new", "kitchen", "--network", case.text, "--output", "files")
    for ending, settings in SHORT.items():
        shorten(Path(f"files/kitchen_{ending}.yml"), settings)

    genetic = g2l("launch", "files/kitchen_global.yml").strip()
    g2l("export", genetic, "--output", "genetic.json")
    output = g2l("pipeline", "--dataset", "kitchen", "--template", str(tmp_path / "files" / "kitchen"), "--seeds", "0")
    run = Path("runs/kitchen")
    state = json.loads((run / "pipeline.json").read_text())
    assert state["settings"]["global_search"] == "differentiable"
    experiments = {"genetic": genetic, **{name: step["experiment"]["id"] for name, step in state["steps"].items()}}
    trained = {"genetic": 3, "global_split1": 1, "local_split1": 2, "choice": 3, "final": 3}
    assert list(experiments) == list(trained)
    for name, experiment in experiments.items():
        records = home / "nni-experiments" / experiment / "checkpoint" / "records.jsonl"
        started, *events = map(json.loads, records.read_text().splitlines())
        assert case.record.items() <= started["network"].items()
        assert sum(event["event"] == "finished" for event in events) == trained[name]

    for file in (Path("genetic.json"), run / "split1" / "global.json", run / "split1" / "local.json"):
        found = json.loads(file.read_text())
        assert case.record.items() <= found["network"].items()
        assert set(found["dilations"]) == case.convolutions
        assert file.stem == "local" or set(found["dilations"].values()) <= CANDIDATES
    assert re.findall(r"^(\w+) +1 +\d+\.\d ", output, re.MULTILINE) == ["hand", "global", "local"]
    assert (case.title or case.text) in (run / "report" / "report.html").read_text()

    training = run / "final" / "local" / "split1" / "seed0"
    checkpoint = ["--checkpoint", str(training / "model.pt"), *(["--network", case.text] if own else [])]
    g2l("predict", *checkpoint, "--split", "1", "--scores", "--output", "predictions")
    videos, predicted, true = ["demo-08", "demo-09"], [], []
    assert sorted(path.stem for path in Path("predictions").glob("*.txt")) == videos
    for video in videos:
        lines = Path(f"predictions/{video}.txt").read_text().splitlines()
        assert len(lines) == np.load(f"data/kitchen/features/{video}.npy").shape[1]
        predicted += lines
        true += Path(f"data/kitchen/groundTruth/{video}.txt").read_text().splitlines()
    folders = ["--ground-truth", "data/kitchen/groundTruth", "--predictions", "predictions"]
    scores = json.loads(g2l("evaluate", *folders, "--json"))
    assert scores["acc"] == pytest.approx(100 * np.mean(np.array(predicted) == np.array(true)))
    tested = json.loads((training / "metrics.json").read_text())["test"]
    assert {name: scores[name] for name in tested} == pytest.approx(tested)

    features = np.load("data/kitchen/features/demo-08.npy")
    features[:, -CHANGED:] *= -1
    Path("changed").mkdir()
    np.save("changed/demo-08.npy", features)
    g2l("predict", *checkpoint, "--features", "changed", "--scores", "--output", "changed_predictions")
    before, after = np.load("predictions/demo-08.npy"), np.load("changed_predictions/demo-08.npy")
    assert not np.array_equal(before[:, -CHANGED:], after[:, -CHANGED:])
    assert np.array_equal(before[:, :-CHANGED], after[:, :-CHANGED]) == case.causal
