from __future__ import annotations

import errno
import math
import os
from typing import Any
from unittest.mock import Mock

import pytest

from nni_api.records import RECORDS_FILE, Records
from nni_api.trial_report import TrialReport
from strategies.adapter.failures import FAILURES_TO_STOP
from tests.strategies.adapter.small_search import contents, failures, kinds, tuner, uids
from tests.strategies.fake_nni import FakeNni


@pytest.mark.parametrize("retries", [0, 1, 2])
@pytest.mark.parametrize("success", [False, True])
def test_a_trial_without_result_is_repeated_then_given_up(nni: FakeNni, retries: int, success: bool) -> None:
    nni.start(tuner(budget=3, retries=retries))
    for _ in range(retries + 1):
        [trial] = [trial for trial in nni.running if trial.uid == 0]
        nni.end(trial, success)
        nni.wait()
        while waits := [other for other in nni.running if other.uid != 0]:
            nni.complete(waits[0])
    reason = "the trial ended without a result" if success else "the trial failed or was stopped"
    assert failures(nni) == [(0, reason, again < retries) for again in range(retries + 1)]
    assert sorted(uids(nni.trials), key=str) == [0] * (retries + 1) + [1, 2]
    assert nni.endings == 1


def test_a_repeat_may_succeed(nni: FakeNni) -> None:
    nni.start(tuner(budget=2))
    nni.crash(nni.trials[0])
    assert nni.trials[2].parameters == nni.trials[0].parameters
    nni.complete(nni.trials[2], 4.0)
    assert contents(nni.records("finished"), "uid", "trial") == [(0, "trial2")]


def test_a_reason_is_recorded_and_not_repeated(nni: FakeNni) -> None:
    nni.start(tuner(budget=2))
    trial = nni.trials[0]
    nni.report(trial, TrialReport(0, "trial0", trial.structure, failure="no video has features").to_nni())
    nni.crash(trial)
    [event] = nni.records("failed")
    assert (event["uid"], event["trial"], event["reason"], event["again"]) == (
        0,
        "trial0",
        "no video has features",
        False,
    )
    assert uids(nni.trials) == [0, 1]


@pytest.mark.parametrize("value", [math.nan, math.inf, None, "high", [1.0], True])
def test_no_finite_number_is_a_failure(nni: FakeNni, value: Any) -> None:
    nni.start(tuner(budget=2))
    nni.report(nni.trials[0], {**nni.trials[0].report(0.0), "default": value})
    nni.report(nni.trials[1], value)
    nni.wait()
    reason = f"the reported result is no finite number: {value!r}"
    assert failures(nni) == [(0, reason, False), (1, reason, False)]
    assert nni.endings == 1


def test_the_end_of_an_unknown_trial_means_nothing(nni: FakeNni) -> None:
    nni.start(tuner())
    before = kinds(nni)
    nni.tuner.trial_end(99, False)
    nni.wait()
    assert kinds(nni) == before


def test_a_failed_proposal_is_no_parent(nni: FakeNni) -> None:
    nni.workers = 1
    nni.start(tuner(budget=9, retries=0))
    for number in range(9):
        if number % 3:
            nni.complete(nni.running[0], 5.0)
        else:
            nni.crash(nni.running[0])
    parents = {uid for event in nni.records("proposed") for uid in event["parents"]}
    assert parents
    assert not parents & {0, 3, 6}


def test_failures_before_any_success_end_the_experiment(nni: FakeNni) -> None:
    nni.start(tuner(budget=20))
    for number in range(FAILURES_TO_STOP):
        assert nni.errors == []
        nni.report(nni.running[0], {**nni.running[0].report(0.0), "default": f"text {number}"})
        if number < FAILURES_TO_STOP - 1:
            nni.end(nni.running[0])
    reason = f"the reported result is no finite number: 'text {FAILURES_TO_STOP - 1}'"
    [error] = nni.errors
    assert error.startswith(
        f"the first {FAILURES_TO_STOP} trials failed, the last one because: {reason} (trials print to"
    )
    assert contents(nni.records("error"), "message") == [(nni.errors[0],)]
    started = len(nni.trials)
    nni.end(nni.running[0])
    assert len(nni.trials) == started


def test_a_repeat_that_fails_counts_as_a_failure(nni: FakeNni) -> None:
    nni.workers = 1
    nni.start(tuner(budget=20, retries=10))
    for _ in range(FAILURES_TO_STOP):
        assert nni.errors == []
        nni.crash(nni.running[0])
    reason = "the trial failed or was stopped"
    [error] = nni.errors
    assert error.startswith(
        f"the first {FAILURES_TO_STOP} trials failed, the last one because: {reason} (trials print to"
    )


def test_a_search_that_only_failed_is_not_done(nni: FakeNni) -> None:
    nni.start(tuner(budget=FAILURES_TO_STOP, retries=0))
    for _ in range(FAILURES_TO_STOP):
        nni.crash(nni.running[0])
    assert len(nni.errors) == 1
    assert nni.endings == 0
    assert nni.records("done") == []


def state_reason(nni: FakeNni, reason: str) -> None:
    """The first of the running trials says why it fails."""
    trial = nni.running[0]
    nni.report(trial, TrialReport(trial.uid, trial.name, trial.structure, failure=reason).to_nni())
    nni.end(trial, success=False)


def test_what_a_dying_trial_printed_last_is_the_reason(nni: FakeNni) -> None:
    nni.start(tuner(budget=2, retries=0))
    printed = nni.folder.parent / "environments" / "local-env" / "trials" / "trial0" / "trial.stderr"
    printed.parent.mkdir(parents=True)
    printed.write_text("Traceback\n  ...\nModuleNotFoundError: No module named 'torch'\n\n")
    nni.crash(nni.trials[0])
    reason = "the trial failed: ModuleNotFoundError: No module named 'torch'"
    assert contents(nni.records("failed"), "trial", "reason") == [("trial0", reason)]


def test_one_reason_in_a_row_ends_the_experiment_later_too(nni: FakeNni) -> None:
    nni.workers = 1
    nni.start(tuner(budget=27))
    nni.complete(nni.running[0])
    for reason in ["other", *["data.npy: no such feature file"] * FAILURES_TO_STOP]:
        assert nni.errors == []
        state_reason(nni, reason)
    [error] = set(nni.errors)
    assert error.startswith("5 trials in a row failed because: data.npy: no such feature file (trials print to ")
    assert nni.running == []


def test_what_ended_the_experiment_is_tried_again_after_a_resume(nni: FakeNni) -> None:
    nni.workers = 1
    nni.start(tuner(budget=6))
    nni.complete(nni.running[0])
    for _ in range(FAILURES_TO_STOP):
        state_reason(nni, "data.npy: no such feature file")
    assert nni.state()["search"]["failed"] == [1, 2, 3, 4, 5]
    nni.resume(tuner(budget=6))
    for _ in range(FAILURES_TO_STOP):
        nni.complete(nni.running[0])
    assert sorted(event["uid"] for event in nni.records("finished")) == list(range(6))
    assert nni.endings == 1


def test_a_full_disk_ends_the_experiment_and_a_resume_has_all_results(
    nni: FakeNni, monkeypatch: pytest.MonkeyPatch
) -> None:
    nni.workers = 1
    nni.start(tuner(budget=3))
    nni.complete(nni.running[0])

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            nni.report(nni.running[0], nni.running[0].report(2.0))
        nni.end(nni.running[0])
    path = nni.folder / RECORDS_FILE
    assert nni.errors[0] == f"{path}: No space left on device; mend that, then resume the experiment"
    assert contents(nni.records("finished"), "uid") == [(0,)]
    nni.resume(tuner(budget=3))
    nni.complete(nni.running[0])
    assert contents(nni.records("finished"), "uid") == [(0,), (1,), (2,)]
    assert nni.endings == 1


def test_a_tuner_that_failed_notes_nothing_more(nni: FakeNni, monkeypatch: pytest.MonkeyPatch) -> None:
    nni.start(tuner())
    saved = nni.state()
    with monkeypatch.context() as bug:
        bug.setattr(Records, "write", Mock(side_effect=ZeroDivisionError("a bug")))
        with pytest.raises(ZeroDivisionError):
            nni.report(nni.trials[0], nni.trials[0].report(2.0))
    nni.report(nni.trials[1], nni.trials[1].report(1.0))
    assert nni.state() == saved
    assert nni.records("finished") == []


def test_failures_after_a_success_do_not(nni: FakeNni) -> None:
    nni.start(tuner(budget=20, retries=0))
    for number in range(18):
        if number == FAILURES_TO_STOP - 1:
            nni.complete(nni.running[0])
        else:
            nni.crash(nni.running[0])
    assert nni.errors == []
    assert len(failures(nni)) == 17


def test_a_failure_that_would_be_that_of_all_ends_the_search_and_a_resume_tries_again(nni: FakeNni) -> None:
    nni.start(tuner(budget=3))
    nni.complete(nni.trials[0])
    trial = nni.trials[1]
    failed = TrialReport(1, "trial1", trial.structure, failure="labels.txt: has changed", ends_search=True)
    nni.report(trial, failed.to_nni())
    [error] = nni.errors
    assert error.startswith("labels.txt: has changed (trials print to")
    assert failures(nni) == [(1, "labels.txt: has changed", True)]
    nni.end(trial, success=False)
    nni.wait()
    assert uids(nni.trials) == [0, 1, 2]
    nni.complete(nni.trials[2])
    assert nni.endings == 0
    nni.resume(tuner(budget=3))
    nni.wait()
    assert uids(nni.running) == [1]
    nni.complete(nni.running[0])
    assert (nni.endings, set(nni.errors)) == (1, {error})
