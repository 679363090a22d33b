"""One good file of every kind that a command reads, in one folder, from which the commands are run."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from analysis.history import read_history
from analysis.searches import SearchRecord
from common.atomic_file import write_json
from common.bad_input import run_command
from experiments.nni_experiment import Experiment
from experiments.run_data import require_same_run_data
from nas_space.structure_files import write_structure
from tests.analysis.records import write_global_records
from tests.bad_input import segment_damages
from tests.bad_input.training_damages import TRAP
from tests.conftest import write_dataset
from tests.trials.conftest import TINY, TINY_STRUCTURE
from trials import differentiable_search, local_search, train
from trials.training import final_training
from trials.training.metrics import METRICS

SECONDS_TO_HANG = 120

DATA = ("--data-root", "data", "--dataset", "small", "--split", "1", "--no-cache")
TRAIN = (*DATA, *TINY, "--structure", "hand", "--epochs", "1", "--output")
SEARCH = (*DATA, *TINY, "--structure", "hand", "--epochs", "1", "--output", "search", "--iterations")
CHOOSE = (*DATA, *TINY, "--candidates", "1", "2", "--epochs", "1", "--output", "chosen")
SIZE = ("--network", "ms-tcn:stages=2,layers=3")

CONFIG = """\
experimentName: small global search
trialCommand: python3 -m trials.search_trial --dataset small --split 1
trialCodeDirectory: ..
trialConcurrency: 1
searchSpaceFile: spaces/small.json
tuner:
  className: strategies.tuners.GlobalTuner
  codeDirectory: ..
  classArgs:
    budget: 24
trainingService:
  platform: local
"""
FINAL_CONFIG = """\
trialCommand: python3 -m trials.final_trial --dataset small --output runs
trialCodeDirectory: ..
tuner:
  className: strategies.tuners.FinalTuner
  codeDirectory: ..
"""


def run_here(main: Callable[[], None], *words: object, patch: pytest.MonkeyPatch) -> int:
    """Run the ``main`` of a command in this process; returns its exit code. One that hangs fails."""
    patch.setattr(sys, "argv", ["command", *map(str, words)])
    patch.setattr(warnings, "showwarning", warnings.showwarning)  # put back afterwards
    with no_longer_than(SECONDS_TO_HANG), pytest.raises(SystemExit) as exited:
        run_command(main)
    assert isinstance(exited.value.code, int)
    return exited.value.code


class Hang(BaseException):
    """A command waits for something that never comes; nothing catches this."""


@contextmanager
def no_longer_than(seconds: int) -> Iterator[None]:
    def hang(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, hang)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class Killed(BaseException):
    """The end of a process in the middle of its work."""


def make_workspace(root: Path, patch: pytest.MonkeyPatch) -> None:
    """Fill a folder, which is the working directory."""
    write_dataset(root / "data" / "small")
    write_structure(TINY_STRUCTURE, root / "structure.json")
    write_json(root / "net.json", TRAP)

    def run(main: Callable[[], None], *words: str) -> None:
        assert run_here(main, *words, patch=patch) == 0

    run(train.main, *TRAIN, "trained")
    with pytest.MonkeyPatch.context() as kill:

        def killed(*_: object) -> None:
            raise Killed

        kill.setattr(final_training, "save_checkpoint", killed)
        kill.setattr(sys, "argv", ["train", *TRAIN, "unfinished"])
        with pytest.raises(Killed):
            train.main()
    run(local_search.main, *SEARCH, "1")
    run(differentiable_search.main, *CHOOSE)

    for folder in ("true", "predicted"):
        (root / folder).mkdir()
        for video in ("one", "two"):
            (root / folder / f"{video}.txt").write_text("cut\ncut\npeel\npeel\n")
    (root / "segments.csv").write_text(segment_damages.TABLE)
    (root / "events.csv").write_text(segment_damages.BORIS)
    for video in ("one", "two"):
        (root / f"{video}.eaf").write_text(segment_damages.ELAN)
    (root / "videos.bundle").write_text("one.txt\ntwo.txt\n")
    for seed in (0, 1):
        path = root / "final" / "hand" / "split1" / f"seed{seed}" / "metrics.json"
        path.parent.mkdir(parents=True)
        test = dict.fromkeys(METRICS, 50.0 + seed)
        path.write_text(json.dumps({"run": {"split": 1, "settings": {"seed": seed}}, "test": test}))

    (root / "experiments" / "spaces").mkdir(parents=True)
    for phase, text in (("global", CONFIG), ("final", FINAL_CONFIG)):
        (root / "experiments" / f"small_{phase}.yml").write_text(text)
    local = CONFIG.replace("budget: 24", "iterations: 5\n    seeds: [0]")
    (root / "experiments" / "small_local.yml").write_text(local)
    space = {"s1l0": {"_type": "choice", "_value": [1, 2]}}
    (root / "experiments" / "spaces" / "small.json").write_text(json.dumps(space))

    home = root / "home" / "nni-experiments"
    write_global_records(home / "Ab3dE" / "checkpoint", [10.0, 30.0, 20.0])
    known = {"id": "Ab3dE", "experimentName": "small", "logDir": str(home), "port": None, "pid": None}
    (home / ".experiment").write_text(json.dumps({"Ab3dE": known}))
    (home / "Ab3dE" / "db").mkdir()
    with closing(sqlite3.connect(home / "Ab3dE" / "db" / "nni.sqlite")) as database:
        database.execute("create table TrialJobEvent (timestamp integer, trialJobId text, event text)")
        rows = [(1000 * second, state) for second, state in enumerate(["RUNNING", "SUCCEEDED"] * 4)]
        database.executemany("insert into TrialJobEvent values (?, 'a', ?)", rows)
        database.execute("create table ExperimentProfile (params text, id text, revision integer)")
        config = {"trialCommand": "python3 -m trials.search_trial --dataset small --split 1"}
        database.execute("insert into ExperimentProfile values (?, 'Ab3dE', 1)", [json.dumps(config)])
        database.commit()

    settings = {"dataset": "small", "template": "small", "splits": [1], "seeds": [0, 1, 2], "phases": ["global"]}
    cost = {"trials": 24, "epochs": 24, "hours": 0.5}
    step = {"mark": "0123abcd", "begun": 1.5, "experiment": asdict(Experiment("Ab3dE", 8080, 0)), "cost": cost}
    (root / "runs" / "small").mkdir(parents=True)
    state = {"settings": settings, "steps": {"global_split1": {**step, "done": True}}}
    (root / "runs" / "small" / "pipeline.json").write_text(json.dumps(state))
    require_same_run_data(Path("runs/small"), [{"trialCommand": "a --dataset small --data-root data --no-cache"}], [1])
    make_report_files(root, settings)


def make_report_files(root: Path, settings: dict[str, Any]) -> None:
    """A run of one final training, that of ``trained``; and a search that was kept."""
    shutil.copytree(root / "trained", root / "reported" / "final" / "hand" / "split1" / "seed0")
    (root / "reported" / "pipeline.json").write_text(json.dumps({"settings": settings, "steps": {}}))
    records = write_global_records(root / "found", [10.0, 30.0, 20.0])
    command = {"trialCommand": "python3 -m trials.search_trial --dataset small --split 1"}
    SearchRecord("Ab3dE", command, read_history(records)).write(root / "kept")
