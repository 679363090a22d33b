from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from analysis.searches import SearchCost, SearchRecord, without_paths
from tests.analysis.records import write_global_records

CONFIG = {
    "experimentName": "a search",
    "trialCommand": "python3 -m trials.search_trial --dataset small --split=2 --output /home/maria/runs/x",
    "trialCodeDirectory": "/home/maria/code",
    "tuner": {
        "className": "strategies.tuners.LocalTuner",
        "codeDirectory": "/home/maria/code",
        "classArgs": {"starts": ["/home/maria/code/runs/a.json"]},
    },
    "experimentWorkingDirectory": "/home/maria/nni-experiments",
}


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an experiment ``Ab3dE`` that NNI knows."""
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "nni-experiments" / "Ab3dE"
    write_global_records(folder / "checkpoint", [10.0, 30.0])
    (folder / "db").mkdir()
    with closing(sqlite3.connect(folder / "db" / "nni.sqlite")) as database, database:
        database.execute("CREATE TABLE ExperimentProfile (params text, id text, revision integer)")
        database.execute("INSERT INTO ExperimentProfile VALUES (?, ?, ?)", (json.dumps(CONFIG), "Ab3dE", 1))
    register = {"Ab3dE": {"experimentName": "a search", "logDir": str(folder.parent), "status": "STOPPED"}}
    (folder.parent / ".experiment").write_text(json.dumps(register))
    return folder


def test_a_search_is_read_as_nni_keeps_it(experiment: Path) -> None:
    search = SearchRecord.of_experiment(experiment.name)
    assert search.settings == {
        "experimentName": "a search",
        "trialCommand": "python3 -m trials.search_trial --dataset small --split=2 --output …/x",
        "tuner": {"className": "strategies.tuners.LocalTuner", "classArgs": {"starts": ["runs/a.json"]}},
    }
    assert (search.dataset, search.split, search.sample_rate, search.phase) == ("small", 2, None, "local")
    assert search.best().dilations == (2, 1)
    # Two trials of three seconds.
    assert search.cost() == SearchCost(trials=2, failures=0, epochs=0, hours=6 / 3600)


@pytest.mark.parametrize(
    ("tuner", "phase"), [("GlobalTuner", "global"), ("DifferentiableTuner", "global"), ("LocalTuner", "local")]
)
def test_the_tuner_says_what_kind_of_search_it_is(tuner: str, phase: str, experiment: Path) -> None:
    """A genetic search may have starts, too."""
    search = SearchRecord.of_experiment(experiment.name)
    search.settings["tuner"]["className"] = f"strategies.tuners.{tuner}"
    assert search.phase == phase


@pytest.mark.parametrize(
    ("tuner", "kind"), [("GlobalTuner", "genetic"), ("DifferentiableTuner", "differentiable"), ("MyTuner", "MyTuner")]
)
def test_the_tuner_names_the_algorithm(tuner: str, kind: str, experiment: Path) -> None:
    search = SearchRecord.of_experiment(experiment.name)
    assert search.kind == "local"
    search.settings["tuner"]["className"] = f"strategies.tuners.{tuner}"
    assert search.kind == kind


@pytest.mark.parametrize(
    ("command", "objective"),
    [
        ("python3 -m trials.search_trial --dataset a --split 1", "f1@10"),
        ("python3 -m trials.differentiable_trial --dataset a --split 1", "mean"),
        ("python3 -m trials.local_trial --objective edit --dataset a", "edit"),
        ("python3 mine.py", None),
    ],
)
def test_the_objective_is_that_of_the_trials(command: str, objective: str | None, experiment: Path) -> None:
    search = SearchRecord.of_experiment(experiment.name)
    search.settings["trialCommand"] = command
    assert search.objective == objective


def test_of_an_option_that_comes_twice_the_last_counts(experiment: Path) -> None:
    search = SearchRecord.of_experiment(experiment.name)
    search.settings["trialCommand"] = "python3 -m trials.search_trial --dataset a --dataset=b --split=1 --split 3"
    assert (search.dataset, search.split) == ("b", 3)


@pytest.mark.parametrize(
    ("options", "candidates"),
    [
        ("--candidates 1 3 9 --epochs 2", (1, 3, 9)),
        ("--candidates 1 2 --candidates 5 7", (5, 7)),
        ("--candidates 5 1", (5, 1)),
        ("", tuple(2**i for i in range(11))),
    ],
)
def test_a_differentiable_search_names_its_candidates(
    options: str, candidates: tuple[int, ...], experiment: Path
) -> None:
    search = SearchRecord.of_experiment(experiment.name)
    search.settings["trialCommand"] = f"python3 -m trials.differentiable_trial --split 1 {options}"
    labels = search.best().by_label()
    search.settings["searchSpace"] = {"seed": {"_type": "choice", "_value": [0, 1]}}
    assert search.candidates == dict.fromkeys(labels, candidates)
    space = {label: {"_type": "choice", "_value": [1, 2 + layer]} for layer, label in enumerate(labels)}
    search.settings["searchSpace"] = space
    assert search.candidates == {label: (1, 2 + layer) for layer, label in enumerate(labels)}


def test_a_kept_search_is_the_same_without_nni(experiment: Path, tmp_path: Path) -> None:
    search = SearchRecord.of_experiment(experiment.name)
    search.write(tmp_path / "kept")
    (experiment.parent / ".experiment").unlink()
    kept = SearchRecord.of_folder(tmp_path / "kept")
    assert (kept.experiment, kept.settings) == (search.experiment, search.settings)
    assert kept.history.evaluations == search.history.evaluations


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("--data-root /mnt/data --x", "--data-root …/data --x"),
        ("--output='/mnt/a b/c'", "--output='…/a b/c'"),
        ("/code/runs/x.json", "runs/x.json"),
        ("1/2 of runs/x", "1/2 of runs/x"),
        (["/code/a", {"codeDirectory": "/code", "n": 3}], ["a", {"n": 3}]),
    ],
)
def test_places_are_not_told(value: object, told: object) -> None:
    assert without_paths(value, "/code/") == told
