from __future__ import annotations

from typing import Any

import pytest

from strategies.adapter.search_tuner import SearchTuner
from strategies.genetic import GeneticSearch
from strategies.proposals import Proposal
from tests.strategies.adapter.search_tuner.small_search import tuner, uids
from tests.strategies.fake_nni import CANDIDATES, LABELS, FakeNni


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
