"""Experiments whose trials run on other machines: what NNI starts, and on which machines a resume goes on."""

from __future__ import annotations

import gzip
import json
import shlex
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from common.bad_input import BadInput
from experiments import other_machines
from experiments.checks.command_check import TrialCommand, read_trial_command, split_command
from experiments.config_file import read_config
from experiments.nni_experiment import Experiment
from experiments.other_machines import (
    add_machines_argument,
    check_all,
    elsewhere,
    machines_again,
    machines_for,
    nni_file,
    provide,
    read_given,
    write_files,
)
from experiments.plan import FOLDER
from experiments.preflight import preflight
from machines import experiment_files
from machines.code import Code
from machines.gpus import Machine
from machines.machine_list import RemoteMachine
from nni_api.manager import NniManager
from tests.conftest import REPOSITORY

MACHINES = [RemoteMachine("gpu1", trials=3), RemoteMachine("gpu2", trials=2)]
CODE = Code(gzip.compress(b""), "e3b0c44298fc1c14")
"""Of no files."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(other_machines, "pack", lambda: CODE)
    return tmp_path / "home"


def changed(**changes: Any) -> dict[str, Any]:
    """The demo's global search with other settings; None leaves one out."""
    content = {**read_config(FOLDER / "demo_global.yml"), **changes}
    return {name: value for name, value in content.items() if value is not None}


# What NNI starts.


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yml")), ids=lambda path: path.name)
def test_every_configuration_of_ours_runs_elsewhere(path: Path) -> None:
    config = read_config(path)
    before = json.dumps(config)
    there = elsewhere(config, FOLDER, MACHINES)
    assert json.dumps(config) == before
    assert there["trialCommand"] == config["trialCommand"].replace("-m trials.", "-m machines.trial trials.").strip()
    assert (there["trialConcurrency"], there["trainingService"]) == (5, {"platform": "local"})
    assert there["trialCodeDirectory"] == str(REPOSITORY)
    assert there["tuner"]["codeDirectory"] == str(REPOSITORY)
    assert elsewhere(there, Path("/"), MACHINES) == there  # as NNI has it at a resume
    one, other = (
        read_trial_command(each["trialCommand"], split_command(each["trialCommand"]), REPOSITORY)
        for each in (config, there)
    )
    assert one == other


@pytest.mark.parametrize("gpus", [{"trialGpuNumber": 1}, {"trial_gpu_number": 1}, {"TRIALGPUNUMBER": 1}])
def test_gpus_of_this_machine_are_not_waited_for(gpus: dict[str, int]) -> None:
    """NNI would look for them here, and freeze this machine where there are none."""
    service = {"platform": "remote", "machineList": [], "trialGpuNumber": 1, "useActiveGpu": True}
    there = elsewhere(changed(**gpus, trainingService=service), FOLDER, MACHINES)
    assert "gpu" not in json.dumps({name: there[name] for name in there if name != "searchSpace"}).lower()


def test_quoted_words_stay_one_word() -> None:
    command = "G2L_DATA_ROOT='my data' python3 -m trials.search_trial --dataset small --split 1 --group 'S(\\d+) x'"
    there = elsewhere(changed(trialCommand=command), FOLDER, MACHINES)["trialCommand"]
    words = shlex.split(command)
    assert shlex.split(there) == [*words[:3], "machines.trial", *words[3:]]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        (
            {"trialCommand": "python3 mine.py"},
            "trialCommand: on other machines, only trials of ours run, and the trial",
        ),
        ({"trialCommand": "python3 -m trials.search_trial --dataset $D --split 1"}, "the shell replaces words"),
        ({"trialCommand": "python3 -m trials.search_trial --dataset a --split 1 --epochs 0"}, "trialCommand: .*epoch"),
        ({"trialCommand": "a && b"}, "trialCommand: it must be one simple command"),
        ({"trialCodeDirectory": "/tmp"}, "only trials of ours run"),
        ({"trialCommand": None}, "trialCommand: on other machines"),
        ({"trialCommand": ["python3"]}, "trialCommand: on other machines"),
        ({"tuner": None}, "tuner: on other machines"),
        ({"tuner": "Random"}, "tuner: on other machines"),
    ],
    ids=repr,
)
def test_what_cannot_run_elsewhere_is_refused(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(BadInput, match=fault) as refused:
        preflight(changed(**changes), FOLDER, "x.yml", Machine(), others=MACHINES)
    assert str(refused.value).startswith("x.yml: ")


@pytest.mark.filterwarnings("ignore:trialCommand. write its options in full")
def test_an_abbreviated_option_is_refused_as_its_path_would_be_missed() -> None:
    command = "python3 -m trials.final_trial --dataset small --outp final"
    with pytest.raises(BadInput, match=r"^trialCommand: .*--output"):
        elsewhere(changed(trialCommand=command), FOLDER, MACHINES)


def test_a_folder_may_be_left_out() -> None:
    assert elsewhere(changed(trialCodeDirectory=None), REPOSITORY, MACHINES)["trialCodeDirectory"] == str(REPOSITORY)


def test_nnictl_is_given_a_file_of_its_own(home: Path) -> None:
    path = FOLDER / "demo_global.yml"
    assert nni_file(read_config(path), FOLDER, path, []) == path
    file = nni_file(read_config(path), FOLDER, path, MACHINES)
    assert file.is_relative_to(home)
    assert yaml.safe_load(file.read_text()) == elsewhere(read_config(path), FOLDER, MACHINES)
    assert nni_file(read_config(path), FOLDER, path, MACHINES) == file
    assert nni_file(read_config(path), FOLDER, path, MACHINES[:1]) != file


# On which machines.


def arguments(*words: str) -> Any:
    parser = ArgumentParser()
    add_machines_argument(parser)
    return parser.parse_args(words)


def test_the_option_comes_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "machines.yml").write_text("machineList: [{host: gpu1}]")
    given = arguments("--machines", str(tmp_path / "machines.yml"))
    remote = {"trainingService": {"platform": "remote", "machineList": [{"host": "gpu2", "trials": 4}]}}
    assert read_given(given) == machines_for(remote, tmp_path, given) == [RemoteMachine("gpu1")]
    assert machines_for(remote, tmp_path, arguments()) == [RemoteMachine("gpu2", trials=4)]
    for service in ({"platform": "local"}, "local", None):
        assert machines_for({"trainingService": service}, tmp_path, arguments()) == []
    assert read_given(arguments()) == []
    with pytest.raises(BadInput, match=r"^machineList: it must be a list"):
        machines_for({"trainingService": {"platform": "remote"}}, tmp_path, arguments())


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an experiment on other machines, of which NNI knows the trial command."""
    settings = elsewhere(changed(), FOLDER, MACHINES)
    known = SimpleNamespace(folder=tmp_path / "expid", settings=lambda: settings)
    monkeypatch.setattr(other_machines, "registered", lambda _: known)
    known.folder.mkdir()
    return known.folder


def test_trials_find_their_machines_and_nni_starts_as_many(started: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    concurrency: list[int] = []
    monkeypatch.setattr(NniManager, "set_concurrency", lambda _, trials: concurrency.append(trials))
    provide(Experiment("expid", 1, 2), [])
    assert (list(started.iterdir()), concurrency) == ([], [])
    provide(Experiment("expid", 1, 2), MACHINES)
    assert experiment_files.read(started) == (MACHINES, CODE)
    assert concurrency == [5]


def test_a_resume_goes_on_where_it_was_or_where_it_is_told(started: Path) -> None:
    write_files(started, MACHINES)
    assert machines_again(started, []) == MACHINES
    assert machines_again(started, MACHINES[1:]) == MACHINES[1:]
    write_files(started, MACHINES[1:])
    assert machines_again(started, []) == MACHINES[1:]


def test_a_resume_with_machines_mends_damaged_files(started: Path) -> None:
    write_files(started, MACHINES)
    (started / "machines.json").write_text("{")
    with pytest.raises(BadInput):
        machines_again(started, [])
    assert machines_again(started, MACHINES) == MACHINES


def test_an_experiment_killed_before_it_had_its_files_goes_on(started: Path) -> None:
    assert machines_again(started, MACHINES) == MACHINES


def test_an_experiment_of_this_machine_stays_here(started: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(other_machines, "registered", lambda _: SimpleNamespace(settings=changed))
    assert machines_again(started, []) == []
    with pytest.raises(BadInput, match=r"^experiment expid runs on this machine: resume it without --machines"):
        machines_again(started, MACHINES)


# What is checked.


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The options with which machines are checked; each has two GPUs."""
    words: list[list[str]] = []
    gpus = [{"index": index, "uuid": str(index), "memory": "0 MiB of 1000 MiB"} for index in (0, 1)]

    def check(machines: Sequence[RemoteMachine], _: Code, given: list[str], splits: Sequence[int]) -> dict[Any, Any]:
        assert splits == [1]
        words.append(given)
        return {machine: {"gpus": gpus, "no_gpu": None} for machine in machines}

    monkeypatch.setattr(other_machines, "check_machines", check)
    monkeypatch.setattr(other_machines, "describe", lambda machine, _: f"{machine.name}: fine")
    return words


def checked(command: str, *machines: RemoteMachine) -> list[str]:
    words = split_command(command)
    trial = read_trial_command(command, words, REPOSITORY)
    assert isinstance(trial, TrialCommand)
    return check_all(trial, words, machines, [1])


def test_a_machine_is_asked_for_the_data_of_the_trials(asked: list[list[str]], small_dataset: Path) -> None:
    command = f"G2L_DATA_ROOT={small_dataset.parent} python3 -m trials.search_trial --dataset small --split 1"
    one, other = RemoteMachine("gpu1"), RemoteMachine("gpu2")
    assert checked(f"{command} --device cpu", one, other) == ["gpu1: fine", "gpu2: fine"]
    assert asked[0][-2:] == ["--data-root", str(small_dataset.parent)]


def test_the_memory_of_its_gpus_must_hold_its_trials(
    asked: list[list[str]], small_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[tuple[int, list[int]]] = []

    def check_memory(_: object, __: object, count: int, gpus: Sequence[Any], setting: str) -> str:
        counts.append((count, [gpu.index for gpu in gpus]))
        if count > 2:
            raise BadInput(f"{setting}: too many")
        return "room"

    monkeypatch.setattr("experiments.checks.gpu_memory.check_memory", check_memory)
    command = f"python3 -m trials.search_trial --dataset small --split 1 --data-root {small_dataset.parent}"
    both = RemoteMachine("gpu1", gpus=(0, 1), trials=3)
    assert checked(command, both, RemoteMachine("gpu2")) == ["gpu1: fine", "gpu1: room", "gpu2: fine", "gpu2: room"]
    assert counts == [(2, [0, 1]), (1, [0])]
    with pytest.raises(BadInput, match=r"^gpu3: maxTrialNumberPerGpu: too many$"):
        checked(command, RemoteMachine("gpu3", trials=3))
    assert len(asked) == 2
