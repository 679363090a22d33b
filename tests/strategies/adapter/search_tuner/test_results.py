from __future__ import annotations

from typing import Any

import pytest

from nni_api.trial_report import TrialReport
from strategies.adapter.search_tuner import GRACE_SECONDS, STATE_FILE
from tests.strategies.adapter.search_tuner.small_search import contents, failures, kinds, tuner, uids
from tests.strategies.fake_nni import FakeNni


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
