"""Runs and experiments do not go on with other data than they started with."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from common.bad_input import BadInput
from experiments import launch, pipeline
from experiments.nni_experiment import Experiment
from experiments.run_data import dataset_of, require_same_experiment_data, require_same_run_data
from experiments.run_folder import Run
from experiments.steps import PipelineStep
from tests.conftest import write_dataset
from tests.trials.changes import CHANGES
from trials.data.dataset import Dataset
from trials.data.fingerprint import DataRecord, experiment_file


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set of two splits, in the data root."""
    monkeypatch.setenv("G2L_DATA_ROOT", str(tmp_path / "data"))
    return write_dataset(tmp_path / "data" / "small", splits=2)


def config(options: str = "--no-cache") -> dict[str, Any]:
    return {"trialCommand": f"python3 -m trials.search_trial --dataset small {options} --epochs 3 --objective mean"}


def test_the_options_of_the_trials_say_how_the_data_is_read(folder: Path, tmp_path: Path) -> None:
    dataset = dataset_of(config(f"--sample-rate 3 --feature-dtype float16 --cache {tmp_path / 'c'}"))
    assert dataset == Dataset(folder, 3, "float16", tmp_path / "c")
    assert dataset_of(config()) == Dataset(folder)


@pytest.mark.parametrize("command", [None, 5, "", "python3 own.py", ["a"]])
def test_a_command_of_ones_own_reads_what_it_likes(command: Any) -> None:
    assert dataset_of({"trialCommand": command}) is None
    assert dataset_of({}) is None


@pytest.mark.parametrize("options", ["--sample-rate x", "--feature-dtype float8", "--cache", "'"])
@pytest.mark.usefixtures("folder")
def test_faulty_options_are_refused(options: str) -> None:
    with pytest.raises(BadInput, match=r"^trialCommand: "):
        dataset_of({"trialCommand": f"python3 own.py --dataset small {options}"})


@pytest.mark.parametrize("options", ["--no-cache", "--sample-rate 2"])
@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.filterwarnings("ignore:.*packed again")
def test_a_run_does_not_go_on_with_other_data(name: str, options: str, folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "mine"
    for _ in range(2):
        require_same_run_data(run, [config(options), config(options)], [1, 2])
    assert len(list(run.glob("data-split*.json"))) == 2
    assert str(tmp_path) not in "".join(path.read_text() for path in run.glob("*.json"))
    CHANGES[name](folder)
    with pytest.raises(BadInput) as refusal:
        require_same_run_data(run, [config(options)], [1, 2])
    message = f"has changed since {run} was started; restore it, or choose another --name"
    assert str(refusal.value) == f"{folder / name}: {message}"


def test_steps_that_read_otherwise_have_fingerprints_of_their_own(folder: Path, tmp_path: Path) -> None:
    for _ in range(2):
        require_same_run_data(tmp_path, [config("--sample-rate 2 --no-cache"), config()], [1])
    names = {path.name for path in tmp_path.glob("data-*.json")}
    assert names == {"data-split1-every1-float32.json", "data-split1-every2-float32.json"}
    CHANGES["features/p00-2.npy"](folder)
    with pytest.raises(BadInput, match=r"p00-2\.npy: has changed"):
        require_same_run_data(tmp_path, [config()], [1])


def noted(folder: Path, experiment: Path, split: int) -> None:
    """What a trial of an experiment notes."""
    dataset = Dataset(folder)
    record = DataRecord(dataset, split, ("p00-1", "p00-2"), "", "", experiment_file(experiment, dataset, split))
    record.note(unread=True)


@pytest.mark.parametrize("name", CHANGES)
def test_an_experiment_is_not_resumed_with_other_data(name: str, folder: Path, tmp_path: Path) -> None:
    for split in (1, 2):
        noted(folder, tmp_path / "Ab3dE", split)
    require_same_experiment_data("Ab3dE", tmp_path / "Ab3dE", config(), has_results=True)
    CHANGES[name](folder)
    message = f"{name}: has changed since experiment Ab3dE started; restore it, or start a new experiment$"
    with pytest.raises(BadInput, match=message):
        require_same_experiment_data("Ab3dE", tmp_path / "Ab3dE", config(), has_results=True)


def test_an_experiment_of_an_earlier_version_goes_on_with_a_warning(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="^experiment Ab3dE: made by an earlier version, without a fingerprint"):
        require_same_experiment_data("Ab3dE", tmp_path, config(), has_results=True)


def test_an_experiment_that_has_read_nothing_goes_on(tmp_path: Path) -> None:
    require_same_experiment_data("Ab3dE", tmp_path, config(), has_results=False)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"mapping.txt": 5}'])
def test_a_damaged_fingerprint_is_refused(text: str, folder: Path, tmp_path: Path) -> None:
    noted(folder, tmp_path, 1)
    path = tmp_path / "data-split1-every1-float32.json"
    path.write_text(text)
    with pytest.raises(BadInput, match=f"^{path}: "):
        require_same_experiment_data("Ab3dE", tmp_path, config(), has_results=True)


# The commands.


def test_launch_looks_before_it_resumes(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noted(folder, tmp_path / "Ab3dE", 1)
    CHANGES["groundTruth/p00-1.txt"](folder)
    known = SimpleNamespace(id="Ab3dE", folder=tmp_path / "Ab3dE", settings=config)
    monkeypatch.setattr(launch, "registered", lambda _: known)
    monkeypatch.setattr(launch, "preflight", lambda *_, **__: None)
    monkeypatch.setattr(launch, "running", lambda *_: pytest.fail("resumed"))
    monkeypatch.setattr(Experiment, "of_id", lambda id: Experiment(id, 0, 0))
    for name in ("is_managed", "stop", "history"):
        monkeypatch.setattr(Experiment, name, lambda _: None)
    monkeypatch.setattr(sys, "argv", ["launch", "--resume", "Ab3dE"])
    with pytest.raises(BadInput, match=r"p00-1\.txt: has changed since experiment Ab3dE started"):
        launch.main()


def test_the_pipeline_looks_before_each_step_and_when_all_are_done(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def do_step(run: Run, step: PipelineStep, *_: object) -> None:
        if not run.step(step.name).get("done"):
            done.append(step.name)
            run.note(step.name, done=True, experiment={"id": "Ab3dE", "port": 1, "manager": 0})
        if step.name == changes_after:
            CHANGES["features/p00-2.npy"](folder)

    changes_after = "global_split1"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pipeline, "do_step", do_step)
    monkeypatch.setattr(pipeline, "preflight", lambda *_, **__: None)
    monkeypatch.setattr(pipeline, "summary", lambda *_: pytest.fail("the end"))
    words = ["--dataset", "small", "--template", "demo", "--phases", "global,local"]
    monkeypatch.setattr(sys, "argv", ["pipeline", *words])
    message = f"features/p00-2.npy: has changed since {tmp_path / 'runs' / 'small'} was started; restore it"
    with pytest.warns(UserWarning, match="packed again"), pytest.raises(BadInput, match=message):
        pipeline.main()
    assert done == ["global_split1"]
    changes_after = ""
    with pytest.raises(BadInput, match=message):
        pipeline.main()
    # As a run of an earlier version.
    for path in (tmp_path / "runs" / "small").glob("data-*.json"):
        path.unlink()
    with (
        pytest.warns(UserWarning, match="small: made by an earlier version, without a fingerprint"),
        pytest.raises(pytest.fail.Exception, match="the end"),
    ):
        pipeline.main()
    (kept,) = (tmp_path / "runs" / "small").glob("data-*.json")
    assert len(json.loads(kept.read_text())) == 3 + 2 * 6
    assert done == ["global_split1", "local_split1"]
