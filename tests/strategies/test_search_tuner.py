from __future__ import annotations

import errno
import json
import logging
import math
import os
import queue
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_space.trial_report import TrialReport
from strategies import failures as failing
from strategies import search_tuner
from strategies.failures import FAILURES_TO_STOP
from strategies.genetic import GeneticSearch
from strategies.nni_manager import NniManager
from strategies.proposal import Proposal
from strategies.records import RECORDS_FILE, Records, read_records
from strategies.search_tuner import GRACE_SECONDS, LOOK_AGAIN_SECONDS, STATE_FILE, SearchTuner
from strategies.tuners import GlobalTuner
from tests.strategies.fake_nni import CANDIDATES, LABELS, SPACE, FakeNni, Trial


def tuner(budget: int = 5, **arguments: Any) -> GlobalTuner:
    """A tuner over the small space: 3 layers of 3 candidates."""
    return GlobalTuner(population_size=2, budget=budget, num_stages=1, num_layers=3, **arguments)


def uids(trials: list[Trial]) -> list[int | None]:
    return [trial.uid for trial in trials]


def kinds(nni: FakeNni) -> list[str]:
    return [event["event"] for event in nni.records()]


def contents(events: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    """Some fields of each event."""
    return [tuple(event[name] for name in names) for event in events]


def failures(nni: FakeNni) -> list[tuple[Any, ...]]:
    return contents(nni.records("failed"), "uid", "reason", "again")


# Proposals


def test_parameters_are_a_proposal_with_its_number(nni: FakeNni) -> None:
    nni.start(tuner())
    [first, second] = nni.records("proposed")
    assert [trial.parameters for trial in nni.trials] == [
        {**first["structure"], "_uid": 0},
        {**second["structure"], "_uid": 1},
    ]
    assert set(first["structure"]) == set(LABELS)
    assert set(first["structure"].values()) <= set(CANDIDATES)


def test_ids_pair_with_proposals_by_position(nni: FakeNni) -> None:
    nni.workers = 4
    nni.start(tuner(budget=3))
    assert [(trial.parameter_id, trial.uid) for trial in nni.trials] == [(0, 0), (1, 1), (2, 2)]
    nni.crash(nni.trials[1])
    # The id that waited since the first request comes before the new one.
    assert [(trial.parameter_id, trial.uid) for trial in nni.trials[3:]] == [(3, 1)]
    nni.crash(nni.trials[0])
    assert [(trial.parameter_id, trial.uid) for trial in nni.trials[4:]] == [(4, 0)]


def test_free_workers_are_served_until_the_budget_is_spent(nni: FakeNni) -> None:
    nni.start(tuner(budget=7))
    for finished in range(7):
        assert len(nni.running) == min(2, 7 - finished)
        nni.complete(nni.running[-1])
    assert sorted(trial.uid or 0 for trial in nni.trials) == list(range(7))


def test_a_waiting_worker_gets_what_comes_later(nni: FakeNni) -> None:
    nni.workers = 3
    nni.start(tuner(budget=2))
    assert len(nni.running) == 2
    nni.crash(nni.trials[0])
    assert nni.trials[2].parameters == nni.trials[0].parameters
    assert nni.trials[2].parameter_id == 2


def test_a_proposal_is_on_disk_before_nni_knows(nni: FakeNni, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = []

    def hear(_: int, parameters: dict[str, Any]) -> None:
        uid, state = parameters["_uid"], nni.state()
        assert list(parameters.values()) == [*map(int, state["search"]["genes"][uid].split()), uid]
        heard.append((uid, state["attempts"][str(uid)]))

    monkeypatch.setattr(nni, "send_trial_callback", hear)
    nni.workers = 3
    nni.start(tuner(budget=2))
    nni.tuner.trial_end(0, False)
    nni.wait()
    assert heard == [(0, 1), (1, 1), (0, 2)]


class Pairs(GeneticSearch):
    """A search that has two structures under way at most."""

    def ask(self) -> Proposal | None:
        return None if len(self.pending) == 2 else super().ask()


class PairTuner(SearchTuner):
    def create_search(self, search_space: Any) -> GeneticSearch:
        return Pairs(dict.fromkeys(search_space, CANDIDATES), population_size=2, budget=6)

    def tell(self, search: GeneticSearch, report: TrialReport) -> bool:
        assert report.uid is not None
        return search.tell(report.uid, report.metrics["default"])


def test_workers_wait_while_the_search_pauses(nni: FakeNni) -> None:
    nni.workers = 4
    nni.start(PairTuner(None, retries=0))
    assert uids(nni.running) == [0, 1]
    nni.report(nni.trials[0], nni.trials[0].report(1.0))
    assert uids(nni.running) == [0, 1, 2]
    nni.end(nni.trials[0])
    assert uids(nni.running) == [1, 2]
    nni.complete(nni.trials[1])
    assert uids(nni.running) == [2, 3]


# Results


def test_the_end_of_a_judged_trial_writes_nothing(nni: FakeNni) -> None:
    nni.start(tuner())
    nni.report(nni.trials[0], nni.trials[0].report(1.0))
    nni.tuner.trial_end(0, True)
    (nni.folder / STATE_FILE).unlink()
    nni.wait()
    assert not (nni.folder / STATE_FILE).exists()


def test_a_result_is_told_and_recorded(nni: FakeNni) -> None:
    nni.start(tuner())
    trial = nni.trials[1]
    metrics, epochs = {"default": 71.5, "f1@10": 80.0}, [{"default": 60.0}, {"default": 71.5}]
    nni.report(trial, TrialReport(1, "trial1", trial.structure, metrics, epochs, seconds=2.5).to_nni())
    [event] = nni.records("finished")
    del event["time"]
    assert event == {
        "event": "finished",
        "uid": 1,
        "trial": "trial1",
        "structure": trial.structure,
        "metrics": metrics,
        "epochs": epochs,
        "seconds": 2.5,
    }
    assert nni.state()["search"]["fitness"] == [[1, 71.5]]


def test_a_plain_number_is_a_result_of_its_parameters(nni: FakeNni) -> None:
    nni.start(tuner())
    nni.report(nni.trials[1], 71.5)
    names = ("uid", "trial", "structure", "metrics")
    assert contents(nni.records("finished"), *names) == [(1, "trial1", nni.trials[1].structure, {"default": 71.5})]


@pytest.mark.parametrize("result_first", [True, False])
def test_result_and_end_come_in_any_order(nni: FakeNni, result_first: bool) -> None:
    nni.start(tuner())
    [trial, _] = nni.trials
    if result_first:
        nni.report(trial, trial.report(3.0))
    nni.end(trial)
    nni.wait(GRACE_SECONDS * 0.9)
    if not result_first:
        nni.report(trial, trial.report(3.0))
    nni.wait()
    assert contents(nni.records("finished"), "uid", "metrics") == [(0, {"default": 3.0})]
    assert failures(nni) == []
    assert uids(nni.trials) == [0, 1, 2]


@pytest.mark.parametrize("repeat_ran", [False, True])
def test_a_result_after_the_grace_still_counts(nni: FakeNni, repeat_ran: bool) -> None:
    nni.workers = 1
    nni.start(tuner(budget=2))
    late = nni.trials[0]
    nni.end(late)
    nni.wait()
    # Until here it counts as failed; its worker went on with proposal 1.
    if repeat_ran:
        nni.complete(nni.trials[1])
    nni.report(late, late.report(3.0))
    nni.complete(nni.running[0])
    assert sorted(contents(nni.records("finished"), "uid")) == [(0,), (1,)]
    assert uids(nni.trials) == ([0, 1, 0] if repeat_ran else [0, 1])
    assert nni.endings == 1


def test_the_first_of_two_results_counts(nni: FakeNni) -> None:
    nni.start(tuner())
    nni.report(nni.trials[0], nni.trials[0].report(3.0))
    nni.complete(nni.trials[0], 4.0)
    nni.wait()
    assert contents(nni.records("finished"), "uid", "metrics") == [(0, {"default": 3.0})]
    assert nni.state()["search"]["fitness"] == [[0, 3.0]]


def test_a_result_is_of_the_proposal_that_it_names(nni: FakeNni) -> None:
    nni.start(tuner())
    first, second = nni.trials
    # NNI pairs the result of one trial with the parameters of the other (NNI issue 5726).
    nni.report(first, second.report(5.0))
    assert contents(nni.records("finished"), "uid", "structure") == [(1, second.structure)]
    nni.report(second, first.report(6.0))
    assert nni.state()["search"]["fitness"] == [[1, 5.0], [0, 6.0]]
    nni.end(first)
    nni.end(second)
    nni.wait()
    assert failures(nni) == []


def test_another_structure_than_proposed_is_an_error(nni: FakeNni) -> None:
    nni.start(tuner())
    trained = {**nni.trials[0].structure, "s1l0": 512}
    with pytest.raises(RuntimeError, match="proposal 0 reports that it trained"):
        nni.report(nni.trials[0], TrialReport(0, "trial0", trained, {"default": 1.0}).to_nni())
    [error] = nni.errors
    assert "the trial of proposal 0 reports that it trained {'s1l0': 512," in error
    assert kinds(nni)[-1] == "error"
    assert nni.records("finished") == []


@pytest.mark.parametrize("uid", [99, pytest.param("x", id="no number")])
def test_a_result_of_no_proposal_is_an_error(nni: FakeNni, uid: Any) -> None:
    nni.start(tuner())
    with pytest.raises((LookupError, TypeError, ValueError)):
        nni.report(nni.trials[0], {"default": 1.0, "_uid": uid})
    assert len(nni.errors) == 1
    assert nni.records("finished") == []


def test_a_result_of_no_proposal_is_named(nni: FakeNni) -> None:
    nni.start(tuner())
    with pytest.raises(Exception, match="there is no proposal 99"):
        nni.report(nni.trials[0], {"default": 1.0, "_uid": 99})


# Failures


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


# Trials added on the web page


def added_report(trial: Trial, fitness: float) -> dict[str, Any]:
    return TrialReport(None, trial.name, trial.structure, {"default": fitness}).to_nni()


def test_an_added_trial_is_recorded_and_may_be_a_parent(nni: FakeNni) -> None:
    nni.start(tuner(budget=4))
    added = nni.add(s1l0=4, s1l1=4, s1l2=4)
    nni.report(added, added_report(added, 9.0))
    nni.end(added)
    assert nni.records("finished") == []
    nni.wait()
    names = ("uid", "trial", "structure", "metrics")
    assert contents(nni.records("finished"), *names) == [(None, added.name, added.parameters, {"default": 9.0})]
    while nni.running:
        nni.complete(nni.running[0], 0.0)
    # It is number 3 of the search, and nothing else has a fitness above zero.
    assert contents(nni.records("proposed"), "uid") == [(0,), (1,), (2,), (4,)]
    assert nni.records("proposed")[-1]["parents"][0] == 3


def test_an_added_trial_is_noted_once(nni: FakeNni) -> None:
    nni.start(tuner(budget=4))
    for dilation in (1, 2):
        added = nni.add(s1l0=dilation, s1l1=1, s1l2=1)
        nni.report(added, added_report(added, 9.0))
        nni.end(added)
        nni.wait()
    assert contents(nni.records("finished"), "uid", "trial") == [(None, "trial2"), (None, "trial3")]


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (None, "the reported result is no finite number: None"),
        (71.5, "it does not say what it trained"),
        ({"default": 71.5}, "it does not say what it trained"),
        (TrialReport(None, "trial2", None, failure="no such layer").to_nni(), "no such layer"),
    ],
)
def test_a_failed_added_trial_is_recorded(nni: FakeNni, result: Any, reason: str) -> None:
    nni.start(tuner())
    added = nni.add(s1l0=1, s1l1=1, s1l2=1)
    nni.report(added, result)
    nni.end(added)
    nni.wait()
    assert contents(nni.records("failed"), "uid", "trial", "reason", "again") == [(None, "trial2", reason, False)]


@pytest.mark.parametrize("structure", [{"s1l0": 3, "s1l1": 1, "s1l2": 1}, {"s1l0": 1}])
def test_an_added_trial_outside_the_space_is_recorded_only(nni: FakeNni, structure: dict[str, int]) -> None:
    nni.start(tuner())
    added = nni.add(**structure)
    nni.report(added, added_report(added, 9.0))
    nni.end(added)
    nni.wait()
    assert contents(nni.records("finished"), "uid", "structure") == [(None, structure)]
    assert nni.state()["search"]["fitness"] == []


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(TrialReport(None, "trial2", dict.fromkeys(LABELS, 1), {"default": 9.0}).to_nni(), id="finished"),
        pytest.param(TrialReport(None, "trial2", None, failure="no such layer").to_nni(), id="failed"),
        pytest.param(71.5, id="plain number"),
    ],
)
def test_an_added_trial_is_noted_once_over_resumes(nni: FakeNni, result: Any) -> None:
    nni.start(tuner())
    added = nni.add(**dict.fromkeys(LABELS, 1))
    nni.report(added, result)
    nni.end(added)
    nni.wait()
    for _ in range(2):
        nni.resume(tuner())
    assert contents(nni.records("finished", "failed"), "uid", "trial") == [(None, "trial2")]


# The end


def test_the_experiment_ends_once_all_is_judged(nni: FakeNni) -> None:
    nni.start(tuner(budget=3))
    for _ in range(3):
        assert nni.endings == 0
        nni.complete(nni.running[0])
    nni.wait()
    nni.request(1)
    assert nni.endings == 1
    assert kinds(nni).count("done") == 1
    assert len(nni.trials) == 3


def test_the_end_is_told_again_until_nni_hears_it(nni: FakeNni, monkeypatch: pytest.MonkeyPatch) -> None:
    finish = Mock(side_effect=[ConnectionRefusedError, TimeoutError, 1])
    monkeypatch.setattr(NniManager, "finish", finish)
    monkeypatch.setattr("strategies.experiment_end.time", Mock(spec=time))
    nni.start(tuner(budget=1))
    nni.complete(nni.trials[0])
    assert finish.call_count == 3
    assert nni.errors == []


def test_a_deaf_manager_is_an_error(nni: FakeNni, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NniManager, "finish", Mock(side_effect=ConnectionRefusedError))
    monkeypatch.setattr("strategies.experiment_end.time", Mock(spec=time))
    nni.start(tuner(budget=1))
    before = set(threading.enumerate())
    nni.complete(nni.trials[0])
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=30)
    assert nni.errors == ["the search is finished, but NNI's manager could not be told so"]


def test_an_exception_in_the_search_ends_the_experiment(nni: FakeNni, monkeypatch: pytest.MonkeyPatch) -> None:
    nni.start(tuner())
    monkeypatch.setattr(nni.tuner.search, "ask", Mock(side_effect=ZeroDivisionError("a bug")))
    with pytest.raises(ZeroDivisionError):
        nni.complete(nni.trials[0])
    [error] = nni.errors
    assert error.startswith("the tuner failed: ZeroDivisionError('a bug')\nTraceback")
    assert contents(nni.records("error"), "message") == [(error,)]


def test_an_exception_after_the_grace_ends_the_experiment(nni: FakeNni, monkeypatch: pytest.MonkeyPatch) -> None:
    nni.start(tuner())
    nni.end(nni.trials[0], success=False)
    monkeypatch.setattr(nni.tuner.search, "is_open", Mock(side_effect=ZeroDivisionError("a bug")))
    with pytest.raises(ZeroDivisionError):
        nni.wait()
    assert len(nni.errors) == 1


def test_an_exception_before_the_first_request_waits_for_it(nni: FakeNni, monkeypatch: pytest.MonkeyPatch) -> None:
    nni.start(tuner())
    nni.complete(nni.trials[0])
    monkeypatch.setattr(GeneticSearch, "tell", Mock(side_effect=ZeroDivisionError("a bug")))
    nni.resume(tuner())
    assert nni.errors[0].startswith("the tuner failed: ZeroDivisionError('a bug')")


# Refusals


@pytest.mark.parametrize(
    ("arguments", "space", "message"),
    [
        ({}, [1, 2], "the search space must be an object of choices by layer label (see experiments/spaces)"),
        (
            {},
            {"s9l9": SPACE["s1l0"]},
            "the search space names 's9l9', which is no layer of a network of 1 stages x 3 layers",
        ),
        ({}, {**SPACE, "s1l0": {"_type": "uniform", "_value": [0, 1]}}, "the search space of layer 's1l0' must be "),
        ({"mutation_rate": 20}, SPACE, "mutation_rate must lie between 0 and 1, not 20"),
        ({"check_command": "python3 -c 'import sys; sys.exit(\"no data\")'"}, SPACE, "no data"),
        ({"check_command": "no-such-command"}, SPACE, "the check command cannot be run: "),
    ],
)
def test_a_refusal_ends_the_experiment_before_any_trial(
    nni: FakeNni, arguments: dict[str, Any], space: Any, message: str
) -> None:
    nni.start(tuner(**arguments), space)
    [error] = nni.errors
    assert error.startswith(message)
    assert "\n" not in error
    assert nni.trials == []
    assert contents(nni.records("started"), "resumed", "refusal") == [(False, error)]
    assert contents(nni.records("error"), "message") == [(error,)]


def test_a_passed_check_is_not_in_the_way(nni: FakeNni) -> None:
    nni.start(tuner(check_command="python3 -c 'print(1)'"))
    assert contents(nni.records("started"), "resumed", "refusal") == [(False, None)]
    assert len(nni.trials) == 2


def test_the_space_of_a_running_search_stays(nni: FakeNni, caplog: pytest.LogCaptureFixture) -> None:
    nni.start(tuner())
    before = nni.state()
    with caplog.at_level(logging.WARNING):
        nni.tuner.update_search_space({"s1l0": SPACE["s1l0"]})
    assert "the search space of a running search cannot change: the new one is ignored" in caplog.text
    nni.complete(nni.trials[0])
    assert nni.state()["search"]["labels"] == before["search"]["labels"]
    assert nni.errors == []


# Resume


def test_resume_without_state_starts_anew(nni: FakeNni) -> None:
    nni.resume(tuner())
    assert contents(nni.records("started"), "resumed", "refusal") == [(False, None)]
    assert uids(nni.trials) == [0, 1]


def test_resume_goes_on_with_new_proposals(nni: FakeNni) -> None:
    nni.start(tuner())
    nni.complete(nni.trials[0])
    nni.resume(tuner())
    # Two run again; NNI asks for two more, under ids that start at 0 again, and starts them when the others ended.
    assert uids(nni.running) == [1, 2]
    for trial in nni.running:
        nni.complete(trial)
    assert [(trial.parameter_id, trial.uid) for trial in nni.running] == [(0, 3), (1, 4)]
    for trial in nni.running:
        nni.complete(trial)
    assert contents(nni.records("finished"), "uid") == [(0,), (1,), (2,), (3,), (4,)]
    assert contents(nni.records("started"), "resumed") == [(False,), (True,)]
    assert (nni.endings, nni.errors) == (1, [])


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 3), st.sets(st.integers(0, 11), max_size=4))
def test_resume_changes_no_proposal(workers: int, interruptions: set[int]) -> None:
    def proposals(interruptions: set[int]) -> list[dict[str, Any]]:
        with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", lambda _: None)
            nni = FakeNni(Path(folder), patch, workers)
            nni.start(tuner(budget=12))
            for number in range(12):
                if number in interruptions:
                    nni.resume(tuner(budget=12, seed=number), ask=False)
                trial = nni.running[0]
                if number % 5 == 3:
                    nni.report(trial, {**trial.report(0.0), "default": None})
                    nni.end(trial)
                else:
                    nni.complete(trial, float(sum(trial.structure.values()) % 7))
            assert nni.endings == 1
            return [{**event, "time": None} for event in nni.records("proposed")]

    assert proposals(interruptions) == proposals(set())


def test_a_result_that_came_while_the_tuner_was_away_is_imported(nni: FakeNni) -> None:
    nni.start(tuner())
    nni.trials[0].result = nni.trials[0].report(8.0)
    nni.trials[0].status = "SUCCEEDED"
    nni.resume(tuner())
    assert contents(nni.records("finished"), "uid", "metrics") == [(0, {"default": 8.0})]
    assert uids(nni.trials) == [0, 1, 2]


def test_what_nni_runs_again_is_not_handed_out(nni: FakeNni) -> None:
    nni.start(tuner(budget=2))
    nni.resume(tuner(budget=2))
    for _ in range(3):
        nni.wait(LOOK_AGAIN_SECONDS)
    assert uids(nni.trials) == [0, 1]
    for trial in nni.running:
        nni.complete(trial)
    assert uids(nni.trials) == [0, 1]
    assert nni.endings == 1


def test_what_nni_lost_is_handed_out(nni: FakeNni) -> None:
    nni.workers = 3
    nni.start(tuner(budget=3))
    nni.resume(tuner(budget=3))
    lost = nni.trials[1]
    # NNI tells nothing of the end of a trial that it ran again.
    nni.end(lost, success=False)
    assert uids(nni.trials) == [0, 1, 2, 1]
    assert nni.trials[3].parameters == lost.parameters
    for trial in nni.running:
        nni.complete(trial)
    assert contents(nni.records("finished"), "uid") == [(0,), (2,), (1,)]
    assert nni.endings == 1


def test_nni_is_asked_again_what_it_runs(nni: FakeNni) -> None:
    nni.start(tuner(budget=2))
    nni.resume(tuner(budget=2))
    nni.trials[0].status = "FAILED"
    nni.wait(LOOK_AGAIN_SECONDS * 0.9)
    assert uids(nni.trials) == [0, 1]
    nni.wait(LOOK_AGAIN_SECONDS * 0.1)
    assert uids(nni.trials) == [0, 1, 0]


def test_nni_is_not_asked_more_often_than_that(nni: FakeNni, monkeypatch: pytest.MonkeyPatch) -> None:
    nni.start(tuner(budget=2))
    nni.resume(tuner(budget=2))
    for _ in range(3):
        nni.request(1)
    asked = Mock(return_value={0, 1})
    monkeypatch.setattr(NniManager, "uids_in_progress", asked)
    for _ in range(4):
        nni.wait(LOOK_AGAIN_SECONDS)
    assert asked.call_count == 4


def test_what_nni_never_started_is_handed_out(nni: FakeNni) -> None:
    nni.start(tuner(budget=4))
    nni.resume(tuner(budget=4))
    # Proposals 2 and 3 wait in NNI's queue, which it forgets.
    nni.resume(tuner(budget=4))
    for _ in range(4):
        nni.complete(nni.running[0])
    assert sorted(contents(nni.records("finished"), "uid")) == [(0,), (1,), (2,), (3,)]
    assert nni.endings == 1


def test_attempts_are_counted_over_a_resume(nni: FakeNni) -> None:
    nni.workers = 1
    nni.start(tuner(budget=1))
    nni.resume(tuner(budget=1))
    for _ in range(2):
        nni.crash(nni.running[0])
    assert failures(nni) == [(0, "the trial failed or was stopped", False)]
    assert uids(nni.trials) == [0, 0]
    assert nni.endings == 1


def test_a_finished_search_ends_again_after_a_resume(nni: FakeNni) -> None:
    nni.start(tuner(budget=2))
    for _ in range(2):
        nni.complete(nni.running[0])
    nni.resume(tuner(budget=2))
    assert nni.endings == 1
    assert len(nni.trials) == 2
    assert len(nni.records("finished")) == 2


def test_resume_over_another_space_is_refused(nni: FakeNni) -> None:
    nni.start(tuner())
    before = nni.state()
    nni.resume(tuner(), {**SPACE, "s1l0": {"_type": "choice", "_value": [1, 8]}})
    assert nni.errors == ["the saved search is over another search space: start a new experiment"]
    assert len(nni.trials) == 2
    assert nni.state() == before


def changed(value: Any, *keys: Any) -> Callable[[dict[str, Any]], str]:
    """The state with another value in one place."""

    def change(state: dict[str, Any]) -> str:
        place: Any = state
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value
        return json.dumps(state)

    return change


DAMAGES: dict[str, Callable[[dict[str, Any]], str]] = {
    "empty": lambda _: "",
    "half": lambda state: json.dumps(state)[:100],
    "a list": lambda _: "[]",
    "nothing": lambda _: "{}",
    "deep": lambda _: "[" * 100_000,
    "NaN": changed(float("nan"), "search", "fitness", 0, 1),
    "no search": changed(None, "search"),
    "a generator of another kind": changed({"bit_generator": "MT19937"}, "search", "random"),
    "a generator of text": changed("PCG64", "search", "random"),
    "genes of another network": changed([1], "search", "genes", 0),
    "genes that are no candidates": changed([1, 2, 3], "search", "genes", 0),
    "genes left out": changed([], "search", "genes"),
    "parents left out": changed([], "search", "parents"),
    "a fitness of no proposal": changed(99, "search", "fitness", 0, 0),
    "a fitness of text": changed("1.0", "search", "fitness", 0, 1),
    "failures of no proposal": changed([-1], "search", "failed"),
    "attempts of text": changed({"1": "one"}, "attempts"),
    "attempts of no number": changed({"one": 1}, "attempts"),
    "trials that are a number": changed(3, "failed_trials"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_resume_of_a_damaged_state_is_refused_in_one_line(nni: FakeNni, damage: Callable[[Any], str]) -> None:
    nni.start(tuner())
    nni.complete(nni.trials[0])
    text = damage(nni.state())
    path = nni.folder / STATE_FILE
    path.write_text(text)
    nni.resume(tuner())
    [error] = nni.errors
    assert error.startswith(f"{path}: ")
    assert error.endswith("start a new experiment")
    assert "\n" not in error
    assert path.read_text() == text


# Whatever happens

EVENTS = ("complete", "end first", "twice", "crash", "silent", "reason", "nan", "resume")


def happen(nni: FakeNni, event: str, which: int) -> None:
    """Something happens to one of the running trials, or to NNI."""
    if event == "resume":
        nni.resume(tuner(budget=6))
    if event == "resume" or not nni.running:
        return
    trial = nni.running[which % len(nni.running)]
    fitness = float(sum(trial.structure.values()))
    if event in ("complete", "twice"):
        nni.report(trial, trial.report(fitness))
    if event == "twice":
        nni.report(trial, trial.report(fitness + 1))
    if event == "nan":
        nni.report(trial, math.nan)
    if event == "reason":
        nni.report(trial, TrialReport(trial.uid, trial.name, trial.structure, failure="bad data").to_nni())
    nni.end(trial, success=event not in ("crash", "reason"))
    if event == "end first":
        nni.report(trial, trial.report(fitness))


def check(nni: FakeNni) -> None:
    """The state can be loaded and says what the records say; no worker idles while there is something to do."""
    state = nni.state()["search"]
    search = GeneticSearch(dict.fromkeys(LABELS, CANDIDATES), 2, 6)
    search.load_state_dict(state)
    proposed = contents(nni.records("proposed"), "uid", "structure")
    assert proposed == [(uid, search.proposal(uid).dilations) for uid in range(len(state["genes"]))]
    finished = nni.records("finished")
    assert [[event["uid"], event["metrics"]["default"]] for event in finished] == state["fitness"]
    given_up = {uid for uid, _, again in failures(nni) if not again}
    assert given_up - {event["uid"] for event in finished} == set(state["failed"])
    if len(nni.running) < nni.workers:
        assert len(proposed) == 6
        assert set(search.pending) <= set(uids(nni.running))


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 3), st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 2)), max_size=14))
def test_nothing_is_lost_whatever_happens(workers: int, script: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        patch.setattr(failing, "FAILURES_TO_STOP", 10**6)
        nni = FakeNni(Path(folder), patch, workers)
        nni.start(tuner(budget=6))
        for event, which in [*script, *[("complete", 0)] * 12]:
            happen(nni, event, which)
            nni.wait(LOOK_AGAIN_SECONDS)
            check(nni)
        assert nni.tuner.search is not None
        assert nni.tuner.search.finished
        assert (nni.endings, nni.errors) == (1, [])
        resumes = sum(event == "resume" for event, _ in script)
        assert all(uids(nni.trials).count(uid) <= 2 + resumes for uid in range(6))


# With real threads


class Dispatcher:
    """What a tuner knows of NNI's dispatcher."""

    def __init__(self) -> None:
        self.sent: queue.Queue[tuple[int, dict[str, Any]]] = queue.Queue()
        self.errors: list[str] = []

    def send_trial_callback(self, parameter_id: int, parameters: dict[str, Any]) -> None:
        self.sent.put((parameter_id, parameters))

    def report_error(self, message: str) -> None:
        self.errors.append(message)


@pytest.fixture
def ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Threads, timers of a short grace, and whether the experiment was ended."""
    ended = threading.Event()
    monkeypatch.setenv("NNI_CHECKPOINT_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("NNI_TUNER_COMMAND_CHANNEL", "ws://localhost:1/tuner")
    monkeypatch.setattr(search_tuner, "GRACE_SECONDS", 0.02)
    monkeypatch.setattr(NniManager, "finish", lambda _: ended.set())
    return ended


def test_a_repeat_is_pushed_after_the_grace(ended: threading.Event) -> None:
    dispatcher, search = Dispatcher(), tuner(budget=1)
    search.update_search_space(SPACE)
    [parameters] = search.generate_multiple_parameters([0, 1], st_callback=dispatcher.send_trial_callback)
    search.trial_end(0, False)
    assert dispatcher.sent.get(timeout=30) == (1, parameters)
    search.receive_trial_result(1, parameters, 1.0, customized=False, trial_job_id="a")
    assert ended.wait(30)
    assert dispatcher.errors == []


def test_results_and_ends_on_two_threads(ended: threading.Event, tmp_path: Path) -> None:
    dispatcher, search = Dispatcher(), tuner(budget=27)
    search.update_search_space(SPACE)
    trials = search.generate_multiple_parameters(list(range(27)), st_callback=dispatcher.send_trial_callback)

    def end_all() -> None:
        for trial in reversed(range(27)):
            search.trial_end(trial, True)

    ends = threading.Thread(target=end_all)
    ends.start()
    for trial, parameters in enumerate(trials):
        search.receive_trial_result(trial, parameters, float(trial), customized=False, trial_job_id=str(trial))
    ends.join()
    assert ended.wait(30)
    for timer in threading.enumerate():
        if isinstance(timer, threading.Timer):
            timer.join()
    finished = [event for event in read_records(tmp_path / RECORDS_FILE) if event["event"] == "finished"]
    assert [(event["uid"], event["metrics"]["default"]) for event in finished] == [
        (uid, float(uid)) for uid in range(27)
    ]
    assert json.loads((tmp_path / STATE_FILE).read_text())["search"]["fitness"] == [
        [uid, float(uid)] for uid in range(27)
    ]
    assert dispatcher.errors == []
