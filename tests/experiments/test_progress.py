"""What is shown of an experiment that runs: on a terminal, in a log, as JSON; NNI's list of trials is the test's."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from analysis.history import History, read_history
from experiments.nni_experiment import Experiment, Trials
from experiments.progress import LOG_SECONDS, ProgressDisplay, duration, seconds_left
from nni_api.epoch_file import EPOCH_FILE, Epoch
from tests.analysis.records import write_global_records

EXPERIMENT = Experiment("Ab3dE", port=0, manager=0)
NOW = 1_000_000.0


def job(id: str, status: str, started: float = NOW, ended: float | None = None) -> dict[str, Any]:
    """A trial as NNI lists it, times in seconds."""
    times = {"startTime": started * 1000} | ({} if ended is None else {"endTime": ended * 1000})
    return {"trialJobId": id, "status": status, **times}


def trials(*jobs: dict[str, Any]) -> Trials:
    states = [job["status"] for job in jobs]
    unfinished = sum(state in ("RUNNING", "WAITING") for state in states)
    return Trials(unfinished, len(jobs) - unfinished, states.count("SUCCEEDED"), jobs)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the trials of an experiment whose best is 30."""
    records = write_global_records(tmp_path / "checkpoint", [10.0, 30.0, 20.0], done=False)
    monkeypatch.setattr(Experiment, "history", lambda _: read_history(records))
    monkeypatch.setattr(Experiment, "trials_folder", lambda _: tmp_path / "trials")
    return tmp_path / "trials"


def note(folder: Path, trial: str, done: int, of: int, seconds: float | None) -> None:
    (folder / trial).mkdir(parents=True, exist_ok=True)
    (folder / trial / EPOCH_FILE).write_text(json.dumps({"epoch": done, "epochs": of, "seconds": seconds}))


def test_a_log_says_how_far_trials_and_their_epochs_are(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note(folder, "b", 4, 6, 10.0)
    ended = job("a", "SUCCEEDED", time.time() - 100, time.time() - 40)
    failed = job("f", "FAILED", time.time() - 100, time.time() - 90)
    running = [job("b", "RUNNING", time.time() - 40), job("c", "RUNNING", time.time())]
    with ProgressDisplay(EXPERIMENT, 4, tmp_path / "progress.json", "global_split1") as display:
        display.show("RUNNING", trials(ended, failed, *running))
    assert capsys.readouterr().err == (
        "global_split1: 1 of 4 trials done, 1 failed, best 30.00 (by last epochs), about 80 s left, "
        "running: epoch 4/6, before its first epoch\n"
    )
    content = json.loads((tmp_path / "progress.json").read_text())
    assert content.pop("written") == pytest.approx(time.time(), abs=5)
    assert content.pop("seconds_left") == pytest.approx(80, abs=2)
    assert content == {
        "step": "global_split1",
        "experiment": "Ab3dE",
        "status": "RUNNING",
        "done": 1,
        "failed": 1,
        "total": 4,
        "running": [{"trial": "b", "epoch": 4, "epochs": 6}, {"trial": "c", "epoch": None, "epochs": None}],
        "best": 30.0,
    }


def test_a_log_gets_a_line_when_a_trial_ends_else_now_and_then(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def lines(after: float, standing: Trials) -> int:
        clock[0] += after
        display.show("RUNNING", standing)
        return capsys.readouterr().err.count("\n")

    with ProgressDisplay(EXPERIMENT, None) as display:
        one = trials(job("a", "RUNNING"))
        note(folder, "a", 1, 3, None)
        assert lines(0, one) == 1
        note(folder, "a", 2, 3, 2.0)
        assert lines(2, one) == 0  # an epoch is no end of a trial
        assert lines(2, trials(job("a", "SUCCEEDED"))) == 1
        assert lines(2, trials(job("a", "SUCCEEDED"), job("b", "RUNNING"))) == 0
        assert lines(LOG_SECONDS, trials(job("a", "SUCCEEDED"), job("b", "RUNNING"))) == 1


@pytest.mark.usefixtures("folder")
def test_a_terminal_has_one_line_that_changes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    with ProgressDisplay(EXPERIMENT, 200) as display:
        display.show("RUNNING", trials(job("a", "RUNNING")))
        display.show("RUNNING", trials(job("a", "SUCCEEDED")))
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert shown.endswith("\n")
    lines = shown.removesuffix("\n").split("\r\x1b[K")[1:]
    assert lines == ["0 of 200 trials done, best 30.00 (by l…", "1 of 200 trials done, best 30.00 (by l…"]


@pytest.mark.usefixtures("folder")
def test_what_was_stopped_with_nni_has_neither_ended_nor_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Experiment, "history", lambda _: None)
    with ProgressDisplay(EXPERIMENT, 3) as display:
        display.show("RUNNING", trials(job("a", "USER_CANCELED")))
    assert capsys.readouterr().err == "0 of 3 trials done\n"


def test_a_full_disk_ends_no_search(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    with ProgressDisplay(EXPERIMENT, 3, tmp_path / "file" / "progress.json") as display:
        display.show("RUNNING", trials())
    assert capsys.readouterr().err.startswith("0 of 3 trials done")
    assert not folder.exists()


@pytest.mark.usefixtures("folder")
def test_a_search_without_a_success_has_no_best(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Experiment, "history", lambda _: History(Path("checkpoint")))
    with ProgressDisplay(EXPERIMENT, 3) as display:
        display.show("RUNNING", trials())
    assert capsys.readouterr().err == "0 of 3 trials done\n"


@pytest.mark.parametrize(
    ("jobs", "epochs", "total", "side_by_side", "expected"),
    [
        ([], {}, 5, 1, None),
        ([job("a", "RUNNING", NOW - 30)], {"a": Epoch(1, 4, None, NOW)}, 5, 1, None),
        ([job("a", "RUNNING", NOW - 30)], {"a": Epoch(1, 4, 10.0, NOW)}, None, 1, None),
        # One training, by its own epochs: 3 of 10 s, one of them half done.
        ([job("a", "RUNNING", NOW - 30)], {"a": Epoch(1, 4, 10.0, NOW - 5)}, 1, 1, 25),
        # One that goes on after epoch 27 did not take 30 s for 28 epochs.
        ([job("a", "RUNNING", NOW - 30)], {"a": Epoch(28, 30, 20.0, NOW - 5)}, 1, 1, 35),
        # Those to come take as long as it seems to: 4 epochs of 10 s.
        ([job("a", "RUNNING", NOW - 30)], {"a": Epoch(1, 4, 10.0, NOW - 5)}, 3, 1, 25 + 2 * 40),
        # Those that have ended count first, the ones to come are shared by two workers.
        ([job("a", "SUCCEEDED", NOW - 60, NOW)], {}, 6, 2, 180),
        ([job("a", "SUCCEEDED", NOW - 60, NOW), job("b", "RUNNING", NOW - 20)], {}, 6, 2, 40 + 2 * 60),
        # A failed trial tells nothing of the time that one takes, and is tried again.
        ([job("a", "SUCCEEDED", NOW - 60, NOW), job("f", "FAILED", NOW - 9, NOW)], {}, 2, 1, 60),
        # What takes longer than it should is about to end.
        ([job("a", "RUNNING", NOW - 90)], {"a": Epoch(3, 4, 10.0, NOW - 50)}, 1, 1, 0),
        ([job("a", "SUCCEEDED", NOW - 60, NOW)], {}, 1, 2, 0),
    ],
)
def test_the_time_left(
    jobs: list[dict[str, Any]],
    epochs: dict[str, Epoch],
    total: int | None,
    side_by_side: int,
    expected: float | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)
    assert seconds_left(jobs, epochs, total, side_by_side) == expected


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (59.7, "60 s"), (130, "2.2 min"), (3000, "50 min"), (9000, "2.5 h"), (40 * 86400, "40 days")],
)
def test_times_are_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text
