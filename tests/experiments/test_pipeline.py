"""The pipeline's memory: what is done, what goes on, what is refused. NNI is played by the test."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from analysis.history import find_experiment, read_history
from analysis.searches import SearchRecord
from common.atomic_file import write_json
from common.bad_input import BadInput, KnownFailure
from common.read_file import read_json
from experiments import pipeline, run_folder
from experiments.config_file import class_name, read_config
from experiments.nni_experiment import Experiment
from experiments.pipeline import do_step
from experiments.run_folder import Run, started_experiment
from experiments.steps import PipelineStep
from nas_space.networks import find_network
from nas_space.structure_files import read_structure
from nni_api.records import Records
from tests.analysis.records import write_final_records, write_global_records
from tests.conftest import write_dataset
from tests.experiments.small_steps import GRID_SEARCH, SETTINGS, Nni, final_step, global_step, interrupted, train


@pytest.fixture
def nni(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nni:
    nni = Nni(write_global_records(tmp_path / "Ab3dE" / "checkpoint", [10.0, 30.0]))
    monkeypatch.setattr(pipeline, "running", nni.running)
    monkeypatch.setattr(pipeline, "watch", lambda *_: None)
    for module in (pipeline, run_folder):
        monkeypatch.setattr(module, "find_experiment", lambda _: nni.records)
    monkeypatch.setattr(SearchRecord, "of_experiment", lambda id: SearchRecord(id, {}, read_history(nni.records)))
    monkeypatch.setattr(Experiment, "stop", lambda experiment: nni.stopped.append(experiment.id))
    monkeypatch.setattr(Experiment, "marked", lambda mark: nni.experiments.get(mark))
    monkeypatch.setattr(run_folder, "START_SECONDS", 0)
    monkeypatch.setattr(Experiment, "trials_folder", lambda _: Path("trials"))
    return nni


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "mine"


def test_a_search_leaves_its_best_structure_and_its_cost(nni: Nni, folder: Path) -> None:
    do_step(Run(folder, SETTINGS), global_step(folder))
    assert read_structure(folder / "global.json", find_network("ms-tcn:stages=1,layers=2")).dilations == (2, 1)
    assert nni.actions == [["create", "--config", str(folder / "global_split1.yml")]]
    kept = SearchRecord.of_folder(folder / "global").history
    assert [evaluation.metrics["default"] for evaluation in kept.evaluations] == [10.0, 30.0]
    known = Run(folder, SETTINGS).step("global_split1")
    # Two trials of 3 seconds each.
    assert known["cost"] == {"trials": 2, "epochs": 0, "hours": round(6 / 3600, 4)}
    assert known["done"]


def test_the_structure_that_a_search_leaves_is_of_its_network(nni: Nni, folder: Path) -> None:
    network = find_network("causal-ms-tcn:stages=1,layers=2")
    Records(nni.records).write("started", resumed=True, refusal=None, network=network.to_json())
    do_step(Run(folder, SETTINGS), global_step(folder))
    assert read_structure(folder / "global.json", network).dilations == (2, 1)
    with pytest.raises(BadInput, match="the structure is of another network: give --network causal-ms-tcn:stages=1"):
        read_structure(folder / "global.json", find_network("ms-tcn:stages=1,layers=2"))


def test_what_is_done_is_not_done_again(nni: Nni, folder: Path) -> None:
    for _ in range(2):
        do_step(Run(folder, SETTINGS), global_step(folder))
    assert len(nni.actions) == 1


@pytest.mark.usefixtures("nni")
@pytest.mark.parametrize("noted", [{}, {"global_search": "global"}], ids=["none", "global"])
@pytest.mark.parametrize(("tuner", "kind"), [("GlobalTuner", "genetic"), ("DifferentiableTuner", "differentiable")])
def test_a_run_of_an_earlier_version_goes_on_with_its_global_search(
    noted: dict[str, str], tuner: str, kind: str, folder: Path
) -> None:
    step = global_step(folder)
    step.config["tuner"]["className"] = f"strategies.tuners.{tuner}"
    do_step(Run(folder, SETTINGS), step)
    write_json(folder / "pipeline.json", {**read_json(folder / "pipeline.json"), "settings": {**SETTINGS, **noted}})
    assert Run(folder, SETTINGS).global_search == kind  # nothing asked for
    assert Run(folder, {**SETTINGS, "global_search": kind}).step("global_split1")["done"]
    with pytest.raises(BadInput, match=r"other settings \(global_search\)"):
        Run(folder, {**SETTINGS, "global_search": "paper"})


def test_a_search_that_ended_early_is_done_with_its_best(
    nni: Nni, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    watched: list[Any] = []

    def watch(_: Experiment, *how: Any) -> bool:
        watched.append(how)
        return len(watched) == 1

    monkeypatch.setattr(pipeline, "watch", watch)
    step = global_step(folder)
    do_step(Run(folder, SETTINGS), step, [step], 0.5)
    assert watched == [(2, folder / "progress.json", "global_split1", 1800)]
    assert read_structure(folder / "global.json", find_network("ms-tcn:stages=1,layers=2")).dilations == (2, 1)
    assert "global_split1: ended early after 0.5 hours, by --max-hours" in capsys.readouterr().err
    do_step(Run(folder, SETTINGS), step, [step], 0.5)
    assert "done already early, by --max-hours" in capsys.readouterr().err
    assert len(watched) == 1

    # With more time it goes on; what it has run counts.
    monkeypatch.setattr(pipeline, "registered", lambda _: SimpleNamespace(seconds_run=lambda: 1700.0))
    do_step(Run(folder, SETTINGS), step, [step], 1)
    assert nni.actions[-1] == ["resume", "Ab3dE"]
    assert watched[-1][-1] == 1900
    do_step(Run(folder, SETTINGS), step, [step], 2)
    assert len(watched) == 2


def test_an_interrupted_step_is_resumed(nni: Nni, folder: Path) -> None:
    interrupted(nni, global_step(folder), Run(folder, SETTINGS))
    do_step(Run(folder, SETTINGS), global_step(folder))
    assert nni.actions[1] == ["resume", "Ab3dE"]


def test_what_a_kill_left_behind_is_stopped_first(nni: Nni, folder: Path) -> None:
    interrupted(nni, global_step(folder), Run(folder, SETTINGS))
    do_step(Run(folder, SETTINGS), global_step(folder))
    assert nni.stopped == ["Ab3dE"]


def test_an_experiment_that_started_while_the_pipeline_was_killed_is_found_again(nni: Nni, folder: Path) -> None:
    nni.dies_first = True
    with pytest.raises(KeyboardInterrupt):
        do_step(Run(folder, SETTINGS), global_step(folder))
    nni.dies_first = False
    do_step(Run(folder, SETTINGS), global_step(folder))
    assert nni.actions[1] == ["resume", "Ab3dE"]


def test_a_step_whose_experiment_nnictl_refused_begins_anew(nni: Nni, folder: Path) -> None:
    nni.dies_first = True
    with pytest.raises(KeyboardInterrupt):
        do_step(Run(folder, SETTINGS), global_step(folder))
    nni.dies_first = False
    nni.experiments.clear()
    do_step(Run(folder, SETTINGS), global_step(folder))
    assert [action[0] for action in nni.actions] == ["create", "create"]


@pytest.mark.parametrize(("id", "fault"), [("", "damaged"), ("all", "unknown experiment 'all'"), ("--all", "damaged")])
def test_an_experiment_that_nni_does_not_know_is_not_stopped(
    id: str, fault: str, nni: Nni, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = {"id": id, "port": 0, "manager": 0}
    Run(folder, SETTINGS).note("global_split1", mark="00c0ffee", begun=0.0, experiment=experiment)
    monkeypatch.setattr(run_folder, "find_experiment", find_experiment)
    monkeypatch.setenv("HOME", str(folder))
    with pytest.raises(BadInput, match=fault):
        do_step(Run(folder, SETTINGS), global_step(folder))
    assert (nni.stopped, nni.actions) == ([], [])


def test_an_empty_mark_is_refused(folder: Path) -> None:
    Run(folder, SETTINGS).note("global_split1", mark="", begun=0.0)
    with pytest.raises(BadInput, match="damaged"):
        Run(folder, SETTINGS)


def test_a_place_that_reads_as_the_name_of_a_structure_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dataset(tmp_path / "data" / "demo")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["pipeline", "--dataset", "demo", "--name", "a{split}", "--dry-run"])
    with pytest.raises(BadInput, match=r"a\{split\}: \{split\} stands for the number of a split"):
        pipeline.main()


def test_a_step_that_began_with_other_settings_is_refused(nni: Nni, folder: Path) -> None:
    interrupted(nni, global_step(folder, budget=2), Run(folder, SETTINGS))
    with pytest.raises(BadInput, match="started with other settings"):
        do_step(Run(folder, SETTINGS), global_step(folder, budget=9))


def test_final_trainings_that_failed_are_told_and_tried_again(nni: Nni, folder: Path) -> None:
    train(folder, "hand/split1/seed0")
    train(folder, "hand/split9/seed1")  # that nobody has asked for
    with pytest.raises(KnownFailure, match="1 of 2 final trainings failed: see trials; the same command tries them"):
        do_step(Run(folder, SETTINGS), final_step(2))
    train(folder, "hand/split1/seed1")
    do_step(Run(folder, SETTINGS), final_step(2))
    assert [action[0] for action in nni.actions] == ["create", "create"]
    assert Run(folder, SETTINGS).step("final")["done"]


def test_a_step_without_any_success_starts_again(
    nni: Nni, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def none_succeeded(*_: object) -> None:
        raise KnownFailure("no trial succeeded")

    records = write_final_records(tmp_path / "records", [])
    monkeypatch.setattr(Experiment, "history", lambda _: read_history(records))
    monkeypatch.setattr(pipeline, "watch", none_succeeded)
    for action in ("create", "resume"):  # it ended with an error, which can be resumed
        with pytest.raises(KnownFailure, match="no trial succeeded"):
            do_step(Run(folder, SETTINGS), final_step(2))
        assert nni.actions[-1][0] == action
    Records(records).write("done")
    for action in ("resume", "create"):
        with pytest.raises(KnownFailure, match="no trial succeeded"):
            do_step(Run(folder, SETTINGS), final_step(2))
        assert nni.actions[-1][0] == action


def test_a_final_training_by_grid_search_goes_on_as_it_was_started(nni: Nni, folder: Path) -> None:
    """Of an earlier version; what NNI leaves out of it, a tuner of ours trains."""
    step = final_step(2)
    former = replace(step, config={**step.config, **GRID_SEARCH})
    interrupted(nni, former, Run(folder, SETTINGS))
    train(folder, "hand/split1/seed0")
    with pytest.raises(KnownFailure, match="1 of 2 final trainings failed, or were missed by NNI's grid search"):
        do_step(Run(folder, SETTINGS), former)
    assert nni.actions[-1] == ["resume", "Ab3dE"]
    train(folder, "hand/split1/seed1")
    do_step(Run(folder, SETTINGS), step)
    assert nni.actions[-1][0] == "create"
    assert class_name(read_config(folder / "final.yml")) == "strategies.tuners.FinalTuner"


def test_a_final_training_by_grid_search_with_other_settings_is_refused(nni: Nni, folder: Path) -> None:
    interrupted(nni, replace(final_step(2), config={**final_step(2).config, **GRID_SEARCH}), Run(folder, SETTINGS))
    with pytest.raises(BadInput, match="started with other settings"):
        do_step(Run(folder, SETTINGS), final_step(3))


def test_a_failing_check_stops_before_nni(nni: Nni, folder: Path) -> None:
    config: dict[str, Any] = {"tuner": {"classArgs": {"check_command": "python3 -m trials.check_data nowhere"}}}
    with pytest.raises(BadInput, match="nowhere: no such data set folder"):
        do_step(Run(folder, SETTINGS), PipelineStep("global_split1", "global", "it", config, folder / "global.json", 2))
    assert nni.actions == []


@pytest.mark.usefixtures("nni")
def test_a_clock_that_was_set_back_does_not_keep_a_pipeline_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    clock = SimpleNamespace(time=lambda: 1000.0, monotonic=lambda: sum(slept), sleep=slept.append)
    monkeypatch.setattr(run_folder, "time", clock)
    monkeypatch.setattr(run_folder, "START_SECONDS", 20)
    assert started_experiment({"mark": "unknown", "begun": 90000.0}) is None
    assert sum(slept) == 20


def test_a_step_whose_trials_read_other_data_begins_again(nni: Nni, folder: Path) -> None:
    """As where the data changes while NNI starts."""
    name = "data-split1-every1-float32.json"
    write_json(folder / name, {"mapping.txt": "00000000", "groundTruth/a.txt": "00000000"})
    write_json(nni.records.parent / name, {"groundTruth/a.txt": "11111111"})
    reason = f"the trials read another groundTruth/a.txt than {folder} started with; restore it, then the same command"
    with pytest.raises(BadInput, match=f"^global_split1: {reason} repeats the step$"):
        do_step(Run(folder, SETTINGS), global_step(folder))
    assert not (folder / "global.json").exists()
    assert Run(folder, SETTINGS).step("global_split1") == {}
    interrupted(nni, global_step(folder), Run(folder, SETTINGS))
    with pytest.raises(BadInput, match=reason):
        do_step(Run(folder, SETTINGS), global_step(folder))
    assert [action[0] for action in nni.actions] == ["create", "create"]
    with pytest.raises(BadInput, match=f"restore it and remove {folder / 'final'}, then the same command"):
        do_step(Run(folder, SETTINGS), final_step(1))
    write_json(nni.records.parent / name, {"groundTruth/a.txt": "00000000", "groundTruth/b.txt": "22222222"})
    do_step(Run(folder, SETTINGS), global_step(folder))
    assert Run(folder, SETTINGS).step("global_split1")["done"]
