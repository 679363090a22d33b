"""Nothing is lost whatever happens to trials and tuner, in any order and on threads."""

from __future__ import annotations

import json
import math
import os
import queue
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nni_api.manager import NniManager
from nni_api.records import RECORDS_FILE, read_records
from nni_api.trial_report import TrialReport
from strategies.adapter import failures as failing
from strategies.adapter import search_tuner
from strategies.adapter.search_tuner import LOOK_AGAIN_SECONDS
from strategies.adapter.state_file import STATE_FILE
from strategies.genetic import GeneticSearch
from tests.strategies.adapter.small_search import contents, failures, tuner, uids
from tests.strategies.fake_nni import CANDIDATES, LABELS, SPACE, FakeNni

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
        assert search.ledger.open <= set(uids(nni.running))


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
