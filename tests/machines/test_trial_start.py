"""What a trial elsewhere is told, and what NNI starts for it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common.bad_input import run_command
from machines import experiment_files
from machines.code import pack
from machines.machine_list import RemoteMachine
from machines.trial import main, words_there
from nni_api.trial_report import TrialReport
from tests.machines.conftest import MODULE, WORDS, Hostile, Hosts, Trial, Write, packed
from tests.nni_api.small_manager import Manager

END = {"kind": "end", "code": 0}

# What the trial there is told.


@pytest.mark.parametrize(
    ("given", "there"),
    [
        ([], ["--data-root", "{cwd}/data"]),
        (["--data-root", "mine"], ["--data-root", "{cwd}/mine"]),
        (["--output", "final"], ["--output", "@there@{cwd}/final", "--data-root", "{cwd}/data"]),
        (
            ["--output=/a", "--chains", "/b"],
            ["--output=@there@/a", "--chains", "@there@/b", "--data-root", "{cwd}/data"],
        ),
        (["--network", "ms-tcn"], ["--network", "ms-tcn", "--data-root", "{cwd}/data"]),
        (["--network=n.json"], ["--network=@there@{cwd}/n.json", "--data-root", "{cwd}/data"]),
        (["--cache", "/c"], ["--cache", "/c", "--data-root", "{cwd}/data"]),
        (["--no-cache"], ["--no-cache", "--data-root", "{cwd}/data"]),
    ],
)
def test_paths_of_here_are_those_of_the_trial_there(
    given: list[str], there: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("G2L_DATA_ROOT")
    assert words_there(given, RemoteMachine("one")) == [word.format(cwd=tmp_path) for word in there]


@pytest.mark.parametrize(
    ("given", "there"),
    [
        ([], ["--data-root", "/data"]),
        (["--cache", "/c", "--data-root=d"], ["--cache", "/scratch", "--data-root=/data"]),
        (["--no-cache"], ["--no-cache", "--data-root", "/data"]),
    ],
)
def test_a_machine_has_folders_of_its_own(given: list[str], there: list[str]) -> None:
    assert words_there(given, RemoteMachine("one", data_root="/data", cache="/scratch")) == there


def test_the_data_root_of_here_may_be_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("G2L_DATA_ROOT", "/mine")
    assert words_there([], RemoteMachine("one")) == ["--data-root", "/mine"]


# What NNI starts.


@pytest.fixture
def started(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """``started("trials.search_trial", ...)``: runs the command as the trial; returns its exit code."""

    def run(*words: str) -> int:
        monkeypatch.setenv("NNI_OUTPUT_DIR", str(trial.output))
        monkeypatch.setattr(sys, "argv", ["trial", *words])
        with pytest.raises(SystemExit) as ended:
            run_command(main)
        return int(ended.value.code or 0)

    return run


def reported(manager: Manager) -> list[tuple[str, Any]]:
    metrics = [json.loads(command["metric"]) for command in manager.received if command["type"] == "metric"]
    assert all((metric["trial_job_id"], metric["parameter_id"]) == ("Ab3dE", 2) for metric in metrics)
    return [(metric["type"], json.loads(metric["value"])) for metric in metrics]


def test_nni_starts_it_as_any_trial(
    started: Callable[..., int], trial: Trial, hosts: Hosts, code_of: Write, manager: Manager
) -> None:
    script = "channel.report_intermediate_result(channel.parameters); channel.report_final_result({'default': 1})"
    code = packed(code_of(f"{script}; sys.exit(5)"))
    experiment_files.write(trial.experiment, [hosts.add()], code)
    assert started(MODULE, *WORDS) == 5
    assert reported(manager) == [("PERIODICAL", {"s1l0": 8, "_uid": 2}), ("FINAL", {"default": 1})]


@pytest.mark.parametrize(
    ("words", "text", "fault"),
    [
        ([], None, ": on other machines, only trials of ours run"),
        (["trials.train", *WORDS], None, "trials.train: on other machines, only trials of ours run"),
        ([MODULE, *WORDS, "--epochs", "0"], None, "epochs"),
        ([MODULE, *WORDS], "{}", "machines.json: damaged; resume the experiment with --machines FILE"),
        ([MODULE, *WORDS], "{", "machines.json: not a JSON file"),
    ],
)
def test_a_trial_that_cannot_start_says_why(
    words: list[str], text: str | None, fault: str, started: Callable[..., int], trial: Trial, manager: Manager
) -> None:
    if text is not None:
        (trial.experiment / "machines.json").write_text(text)
    assert started(*words) == 2
    ((kind, value),) = reported(manager)
    report = TrialReport.from_nni(value, None, None)
    assert (kind, report.uid, report.trial, report.ends_search) == ("FINAL", 2, "Ab3dE", False)
    assert fault in str(report.failure)


def test_other_data_on_a_machine_ends_the_search(
    started: Callable[..., int], trial: Trial, hostile: Hostile, manager: Manager, tmp_path: Path
) -> None:
    known = trial.experiment / "data-split1-every1-float32.json"
    known.write_text('{"features/a.npy": "00000000"}')
    sent = {"kind": "file", "path": str(known), "payload": b'{"features/a.npy": "11111111"}'}
    (tmp_path / "root").mkdir()
    experiment_files.write(trial.experiment, [hostile(sent, END)], pack(tmp_path / "root"))
    assert started(MODULE, *WORDS) == 2
    ((_, value),) = reported(manager)
    report = TrialReport.from_nni(value, None, None)
    assert report.ends_search
    assert str(report.failure).startswith("one: its features/a.npy differs from what other trials")


def test_any_other_failure_is_reported_too(
    started: Callable[..., int], trial: Trial, hostile: Hostile, manager: Manager, tmp_path: Path
) -> None:
    sent = {"kind": "file", "path": f"{trial.output}/epoch.json/\0", "payload": b"x"}
    (tmp_path / "root").mkdir()
    experiment_files.write(trial.experiment, [hostile(sent, END)], pack(tmp_path / "root"))
    with pytest.raises(ValueError, match="embedded null") as raised:
        started(MODULE, *WORDS)
    ((_, value),) = reported(manager)
    assert TrialReport.from_nni(value, None, None).failure == f"ValueError: {raised.value}"


def test_a_failure_of_a_trial_added_by_hand_is_nobody_elses(started: Callable[..., int], manager: Manager) -> None:
    record = json.dumps({"parameter_id": None, "parameters": {"s1l0": 8, "_uid": 2}})
    manager.answers = [(200, json.dumps({"hyperParameters": [record]}))]
    assert started("trials.train") == 2
    (metric,) = (json.loads(command["metric"]) for command in manager.received if command["type"] == "metric")
    assert metric["parameter_id"] is None
    assert TrialReport.from_nni(json.loads(metric["value"]), None, None).uid is None
