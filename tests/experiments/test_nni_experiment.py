"""Real NNI experiments, started through nnictl, with trials whose metric is a known function of the structure."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.bad_input import BadInput
from experiments import nni_experiment
from experiments.launch import free_port
from experiments.nni_experiment import Experiment
from nas_space.networks import find_network
from nas_space.space import global_space, to_nni
from nni_api.register import Registered, registered
from tests.conftest import REPOSITORY
from tests.drills.nni_home import find, history_of, is_trial, launch, only_experiment, processes_of, wait_for
from tests.experiments.known_trial import known_metric
from tests.forked import shell

NETWORK = find_network("ms-tcn:stages=1,layers=3")
LONGER = "resume it with a longer --max-hours, or none"
SPACE = to_nni(global_space(NETWORK, (1, 2, 4, 8)))


def write_config(home: Path, trial_options: str = "", concurrency: int = 1, **class_arguments: Any) -> Path:
    """An experiment over a network of one stage and three layers."""
    config = {
        "experimentName": "test",
        "trialCommand": f"python3 -m tests.experiments.known_trial {home / 'trained'} {trial_options}",
        "trialCodeDirectory": str(REPOSITORY),
        "trialConcurrency": concurrency,
        "searchSpace": SPACE,
        "tuner": {
            "className": "strategies.tuners.GlobalTuner",
            "codeDirectory": str(REPOSITORY),
            "classArgs": {"network": str(NETWORK), "population_size": 4, **class_arguments},
        },
        "trainingService": {"platform": "local"},
    }
    path = home / "experiment.yml"
    path.write_text(yaml.safe_dump(config))
    return path


def finish(process: subprocess.Popen[str]) -> str:
    """The experiment's id, once the launch has ended well."""
    output, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    return output.strip()


@pytest.mark.parametrize(("registered", "status"), [("STOPPED", "STOPPED"), ("RUNNING", "GONE")])
def test_a_stopped_experiment_is_told_from_a_killed_one(
    monkeypatch: pytest.MonkeyPatch, registered: str, status: str
) -> None:
    known = Registered.of("Ab3dE", {"logDir": "/logs", "status": registered})
    monkeypatch.setattr(nni_experiment, "registered", lambda _: known)
    assert Experiment("Ab3dE", port=0, manager=0).status() == status


def test_trials_that_nni_will_run_again_have_not_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until they start again after a resume, NNI lists them as ADD_RESUMED."""
    states = ["ADD_RESUMED", "WAITING", "RUNNING", "UNKNOWN", "SUCCEEDED", "FAILED", "USER_CANCELED"]
    monkeypatch.setattr(nni_experiment, "get_json", lambda _: [{"status": state} for state in states])
    assert (trials := Experiment("Ab3dE", port=0, manager=0).trials()) is not None
    assert trials[:3] == (4, 3, 1)


def test_what_went_wrong_is_in_the_log_unless_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nni_experiment, "find_experiment", lambda _: tmp_path / "checkpoint")
    experiment = Experiment("Ab3dE", port=0, manager=0)
    assert experiment.error() is None
    (tmp_path / "log").mkdir()
    lines = ["[12:00] INFO started", "[12:01] ERROR (NNIManager) Dispatcher error: records.jsonl: File too large", "at"]
    (tmp_path / "log" / "nnimanager.log").write_text("\n".join(lines))
    assert experiment.error() == "records.jsonl: File too large"
    with (tmp_path / "log" / "nnimanager.log").open("a") as log:
        log.write("\n[12:05] INFO (NNIManager) Resuming experiment: Ab3dE\n")
    assert experiment.error() is None
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 4096))
    assert experiment.error() == f"{tmp_path}: no space left on the disk; make room, then resume the experiment"


@pytest.mark.long
def test_trials_that_die_before_asking_mix_nothing_up(home: Path) -> None:
    config = write_config(home, "--die-before-asking 0 1 4 5 9", concurrency=2, budget=12)
    experiment = finish(launch(config))
    history = history_of(home, experiment)

    assert history.done
    assert len(history.failures) == 5
    assert {failure["reason"] for failure in history.failures} == {"the trial failed: it printed nothing"}
    uids = [evaluation.uid for evaluation in history.evaluations]
    given_up = {failure["uid"] for failure in history.failures if not failure["again"]}
    assert len(uids) == len(set(uids))
    assert set(uids) == set(range(12)) - given_up
    for evaluation in history.evaluations:
        assert evaluation.metrics["default"] == known_metric(evaluation.structure)
        assert (home / "trained" / f"{evaluation.uid}-{evaluation.trial}").exists()
    true_best = max(known_metric(evaluation.structure) for evaluation in history.evaluations)

    assert shell("analysis.export", experiment, "--output", home / "best.json").returncode == 0
    exported = json.loads((home / "best.json").read_text())
    assert known_metric(exported["dilations"]) == true_best
    assert exported["about"]["metrics"]["default"] == true_best


@pytest.mark.long
def test_a_search_that_was_stopped_and_one_that_ended_early_go_on_and_train_nothing_twice(home: Path) -> None:
    started = launch(write_config(home, "--seconds 2", budget=9))
    wait_for(lambda: len(list((home / "trained").iterdir())) >= 4)
    started.terminate()
    _, errors = started.communicate(timeout=600)
    experiment = only_experiment(home)
    assert f"--resume {experiment}" in errors
    before = history_of(home, experiment).evaluations
    assert 3 <= len(before) < 9

    # So many hours as it has run are over.
    ran = registered(experiment).seconds_run()
    refused = launch("--resume", experiment, "--max-hours", str(ran / 3600))
    _, errors = refused.communicate(timeout=600)
    assert refused.returncode == 2
    assert errors.endswith(f"error: experiment {experiment} has run for {ran / 3600:.2f} hours: {LONGER}\n")
    # In a few seconds more, no trial need end, and the best is that of before.
    early = launch("--resume", experiment, "--max-hours", str((ran + 3) / 3600))
    output, errors = early.communicate(timeout=600)
    assert (early.returncode, output.strip()) == (0, experiment), errors
    assert f"to resume: python -m experiments.launch --resume {experiment}\n" in errors
    early_history = history_of(home, experiment)
    assert (early_history.done, early_history.failures, early_history.error) == (False, [], None)
    assert len(early_history.evaluations) < 9
    shown = json.loads((home / "nni-experiments" / experiment / "progress.json").read_text())
    assert (shown["status"], shown["total"]) == ("ENDED EARLY", 9)
    assert shown["best"] == early_history.best()[0].metrics["default"]

    # What is no longer needed is freed, and nothing that is.
    assert shell("experiments.clean", experiment).returncode == 0
    assert list((home / "nni-experiments" / experiment / "environments" / "local-env" / "trials").iterdir()) == []

    assert finish(launch("--resume", experiment)) == experiment
    history = history_of(home, experiment)
    assert history.done
    assert history.failures == []
    assert history.evaluations[: len(before)] == before
    assert {evaluation.uid for evaluation in history.evaluations} == set(range(9))
    assert len({tuple(evaluation.structure.values()) for evaluation in history.evaluations}) == 9
    # Only the trials that ran at a stop may have been trained again.
    assert len(list((home / "trained").iterdir())) <= 11


@pytest.mark.long
def test_missing_data_ends_the_experiment_before_any_trial(home: Path) -> None:
    check = f"python3 -m trials.check_data {home / 'nowhere'} --files-only"
    config = write_config(home, budget=9, check_command=check)

    refused = launch(config)
    _, errors = refused.communicate(timeout=600)
    assert refused.returncode == 2
    assert errors.startswith(f"error: {home / 'nowhere'}: no such data set folder")

    port = free_port()
    code, output = nni_experiment.nnictl("create", "--config", str(config), "--port", str(port))
    assert code == 0, output
    experiment = only_experiment(home)
    try:
        wait_for(lambda: _get(port, "/check-status")["status"] == "ERROR")
        assert _get(port, "/trial-jobs") == []
        assert "no such data set folder" in (home / "nni-experiments" / experiment / "log/nnimanager.log").read_text()
        assert "no such data set folder" in str(history_of(home, experiment).error)
    finally:
        assert nni_experiment.nnictl("stop", experiment)[0] == 0


@pytest.mark.long
def test_of_two_launches_on_one_port_one_is_refused_and_a_trial_added_on_its_page_takes_part(home: Path) -> None:
    config = write_config(home, "--seconds 0.5", budget=6)
    port = free_port()
    both = [launch(config, "--port", str(port)), launch(config, "--port", str(port))]
    wait_for(lambda: len(list((home / "trained").iterdir())) >= 1)
    best = {"s1l0": 8, "s1l1": 8, "s1l2": 8, "_uid": 0}
    jobs = f"http://127.0.0.1:{port}/api/v1/nni/trial-jobs"
    request = urllib.request.Request(jobs, json.dumps(best).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        assert response.status == 200

    printed = [launched.communicate(timeout=300) for launched in both]
    (done,) = [output.strip() for launched, (output, _) in zip(both, printed, strict=True) if launched.returncode == 0]
    (errors,) = [errors for launched, (_, errors) in zip(both, printed, strict=True) if launched.returncode == 2]
    assert f"error: port {port} is in use; choose another --port" in errors
    assert only_experiment(home) == done
    assert len([path for path in (home / "nni-experiments").iterdir() if path.is_dir() and path.name[0] != "_"]) == 1
    history = history_of(home, done)
    assert history.done
    # As many trials as proposals, and the added one: no second tuner proposed anything to this manager.
    assert len(history.evaluations) == len(list((home / "trained").iterdir())) == 7
    assert len({evaluation.uid for evaluation in history.evaluations} - {None}) == 6
    (added,) = [evaluation for evaluation in history.evaluations if evaluation.uid is None]
    assert added.structure == {"s1l0": 8, "s1l1": 8, "s1l2": 8}
    assert history.best()[0].structure == added.structure


def _get(port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/nni{path}", timeout=60) as response:
        return json.load(response)


@pytest.mark.parametrize(("id", "manager"), [("", 0), ("../x", 0), ("--all", 0), (None, 0), ("a", -1), ("a", 2**31)])
def test_what_is_no_experiment_is_never_stopped(id: Any, manager: int) -> None:
    """Processes of NNI are known by the id, and an empty one would be that of every process."""
    with pytest.raises(BadInput, match="not an NNI experiment"):
        Experiment(id, 8080, manager)


@pytest.mark.long
@pytest.mark.parametrize("interrupts", [2, 3])
def test_nothing_is_left_however_impatient_the_user(home: Path, interrupts: int) -> None:
    started = launch(write_config(home, "--seconds 60", budget=6))
    wait_for(lambda: bool(find(home, is_trial)))
    for _ in range(interrupts):
        started.send_signal(signal.SIGINT)
        time.sleep(0.4)
    _, errors = started.communicate(timeout=300)
    assert started.returncode == 130
    assert "waiting for NNI's manager" in errors
    assert ("ended by process id: " in errors) == (interrupts == 3)
    assert processes_of(home) == []


@pytest.mark.usefixtures("home")
def test_a_port_that_serves_another_experiment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of an nnictl of another home folder, which has taken a manager that it met there for its own."""
    stopped: list[str] = []
    port = free_port()
    known = Registered.of("Ab3dE", {"logDir": "/logs", "port": port})
    monkeypatch.setattr(nni_experiment, "nnictl", lambda *_: (0, "Experiment ID: Ab3dE"))
    monkeypatch.setattr(nni_experiment, "registered", lambda _: known)
    monkeypatch.setattr(nni_experiment, "get_json", lambda _: {"id": "Other"})
    monkeypatch.setattr(Experiment, "stop", lambda experiment: stopped.append(experiment.id))
    with pytest.raises(BadInput, match=f"did not start an experiment: port {port} serves experiment Other"):
        nni_experiment.start(["create", "--config", "F.yml"], port)
    assert stopped == ["Ab3dE"]


@pytest.mark.parametrize("port", [-1, 0, 65536])
@pytest.mark.usefixtures("home")
def test_a_port_that_is_none_is_refused(port: int) -> None:
    with pytest.raises(BadInput, match=f"a port is a number from 1 to 65535, not {port}"):
        nni_experiment.start(["create", "--config", "F.yml"], port)


@pytest.mark.usefixtures("home")
def test_a_start_that_nnictl_gave_up_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It prints the id of the experiment first."""
    output = "Experiment ID: Ab3dE\nERROR: Create experiment failed: nan\n"
    monkeypatch.setattr(nni_experiment, "nnictl", lambda *_: (1, output))
    monkeypatch.setattr(nni_experiment, "read_register", dict)
    with pytest.raises(BadInput, match="did not start an experiment: ERROR: Create experiment failed: nan"):
        nni_experiment.start(["create", "--config", "F.yml"], free_port())
