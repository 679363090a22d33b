from __future__ import annotations

from typing import Any

import pytest

from nni_api.trial_report import TrialReport
from strategies.adapter.search_tuner import GRACE_SECONDS, SearchTuner
from strategies.adapter.state_file import STATE_FILE
from strategies.genetic import GeneticSearch
from strategies.proposals import Proposal
from tests.strategies.adapter.small_search import contents, failures, kinds, tuner, uids
from tests.strategies.fake_nni import CANDIDATES, LABELS, FakeNni, Trial


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
        return None if len(self.ledger.open) == 2 else super().ask()


class PairTuner(SearchTuner):
    phase = "global"

    def create_search(self, search_space: Any) -> GeneticSearch:
        return Pairs(dict.fromkeys(search_space, CANDIDATES), population_size=2, budget=6)


def test_workers_wait_while_the_search_pauses(nni: FakeNni) -> None:
    nni.workers = 4
    nni.start(PairTuner("ms-tcn:stages=1,layers=3", {}, None, retries=0))
    assert uids(nni.running) == [0, 1]
    nni.report(nni.trials[0], nni.trials[0].report(1.0))
    assert uids(nni.running) == [0, 1, 2]
    nni.end(nni.trials[0])
    assert uids(nni.running) == [1, 2]
    nni.complete(nni.trials[1])
    assert uids(nni.running) == [2, 3]


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
