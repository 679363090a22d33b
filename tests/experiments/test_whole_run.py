"""Global search, local search, choice and final training of a tiny network through real NNI experiments."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from analysis.history import read_history
from analysis.report.pictures import Pictures
from experiments import plan
from nas_space.branching import Branching, keep_branches, next_structure
from nas_space.networks import find_network
from nas_space.space import global_space, to_nni
from nas_space.structure import Structure
from nas_space.structure_files import read_structure
from tests.conftest import REPOSITORY, write_dataset
from tests.forked import shell
from trials.training.checkpoint import load_checkpoint

NETWORK = find_network("ms-tcn:stages=1,layers=2")
DATA = f"--dataset tiny --network {NETWORK} --device cpu --threads 1 --batch-size 2"
CHECK = "python3 -m trials.check_data --dataset tiny --split 1 --files-only"
RUN = """
import sys
from pathlib import Path
from experiments import pipeline, plan
from tests.analysis.plots.texts import texts_laid_out_once
plan.FOLDER = Path(sys.argv.pop(1))
with texts_laid_out_once():
    pipeline.main()
"""


def write_configs(folder: Path) -> None:
    """The three YAML files of the tiny data set."""
    common = {"trialCodeDirectory": str(REPOSITORY), "trialConcurrency": 2, "trainingService": {"platform": "local"}}
    shared = {"network": str(NETWORK), "check_command": CHECK}

    def write(phase: str, command: str, tuner: dict[str, Any], **content: Any) -> None:
        command = f"python3 -m trials.{command} {DATA}"
        text = yaml.safe_dump({**common, "trialCommand": command, "tuner": tuner, **content})
        (folder / f"tiny_{phase}.yml").write_text(text)

    def ours(name: str, **arguments: Any) -> dict[str, Any]:
        arguments |= shared
        return {"className": f"strategies.tuners.{name}", "codeDirectory": str(REPOSITORY), "classArgs": arguments}

    space = to_nni(global_space(NETWORK, (1, 2, 4)))
    write(
        "global",
        "search_trial --split 1 --epochs 1",
        ours("GlobalTuner", population_size=2, budget=3),
        searchSpace=space,
    )
    local = ours("LocalTuner", starts=[], splits=[], seeds=[0], iterations=2, expand_rate=0.5)
    write("local", "local_trial --epochs 1 --learning-rate 0.01", local, searchSpace=space)
    final = ours("FinalTuner", structures=[], splits=[], seeds=[])
    write("final", "final_trial --output runs --epochs 1", final)


@pytest.mark.long
def test_a_whole_run_ends_with_a_table_and_is_not_done_twice(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dataset(tmp_path / "data" / "tiny", train=6, test=2)
    write_configs(home)
    monkeypatch.setenv("G2L_DATA_ROOT", str(tmp_path / "data"))
    monkeypatch.setattr(plan, "FOLDER", home)
    monkeypatch.chdir(tmp_path)
    words = ("--dataset", "tiny", "--seeds", "0", "--name", "mine")
    command = [sys.executable, "-c", RUN, str(home), *words, "--multiple"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    first = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stderr
    folder = tmp_path / "runs" / "mine"
    assert set(json.loads((folder / "summary.json").read_text())) == {"hand", "global", "local", "multiple"}
    assert [line.split()[:2] for line in first.stdout.splitlines() if "_split1" in line] == [
        ["global_split1", "3"],
        ["local_split1", "2"],
    ]
    recommended = next(line.split()[1].rstrip(".") for line in first.stdout.splitlines() if "Recommended: " in line)
    hand = {"hand": Structure.hand(NETWORK)}
    found = hand | {
        name: read_structure(folder / "split1" / f"{name}.json", NETWORK) for name in ("global", "local", "multiple")
    }
    assert read_structure(folder / "recommended" / "split1.json", NETWORK) == found[recommended]
    report = folder / "report" / "report.html"
    assert first.stdout.splitlines()[-1] == str(report)
    assert "Left out:" not in report.read_text()

    # The chain started from the best of the global search, and each iteration from where the one before had moved to.
    state = json.loads((folder / "pipeline.json").read_text())["steps"]
    experiment = state["local_split1"]["experiment"]["id"]
    history = read_history(home / "nni-experiments" / experiment / "checkpoint")
    structure = read_structure(folder / "split1" / "global.json", NETWORK)
    events = [json.loads(line) for line in (history.folder / "records.jsonl").read_text().splitlines()]
    for event in (event for event in events if event["event"] == "finished"):
        assert Structure.from_labels(event["structure"], NETWORK) == structure
        multiple = keep_branches(structure, Branching(rate=0.5), event["probabilities"])
        structure = next_structure(structure, Branching(rate=0.5), event["probabilities"])
    assert read_structure(folder / "split1" / "local.json", NETWORK) == structure
    # The branches of the last iteration were trained on: their shares are others.
    assert found["multiple"] == multiple
    learned = load_checkpoint(folder / "final" / "multiple" / "split1" / "seed0" / "model.pt").structure()
    assert learned.dilations == multiple.dilations
    assert learned != multiple

    shown = json.loads((folder / "progress.json").read_text())
    assert (shown["step"], shown["status"], shown["done"], shown["total"]) == ("final", "DONE", 4, 4)
    assert first.stderr.count("2 of 2 trials done") == 1  # of the local search

    # What is no longer needed can go: the run, its report and an export stay as they are.
    cleaned = shell("experiments.clean", folder)
    assert cleaned.returncode == 0
    assert "checkpoints of finished searches (2)" in cleaned.stdout
    assert not list((home / "nni-experiments" / experiment / "chains").rglob("*.pt"))
    assert shell("analysis.export", experiment, "--output", tmp_path / "best.json").returncode == 0
    assert read_structure(tmp_path / "best.json", NETWORK) == structure

    monkeypatch.setattr(Pictures, "draw", lambda *_: [])  # all were drawn above
    again = shell("experiments.pipeline", *words)
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert again.stderr.count("done already") == 4
