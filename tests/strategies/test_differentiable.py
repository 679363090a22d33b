"""The differentiable search and its tuner: a training for each seed, whose structures are what the trials found."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.history import read_history
from common.bad_input import BadInput
from nni_api.trial_report import TrialReport
from strategies.differentiable import DifferentiableSearch
from strategies.tuners import DifferentiableTuner
from tests.strategies.fake_nni import FakeNni, Trial

SPACE = {"seed": {"_type": "choice", "_value": [3, 5, 8]}}
FOUND = {
    3: {"s1l0": 1, "s1l1": 8, "s1l2": 2},
    5: {"s1l0": 4, "s1l1": 4, "s1l2": 4},
    8: {"s1l0": 2, "s1l1": 2, "s1l2": 1},
}


def tuner() -> DifferentiableTuner:
    return DifferentiableTuner(network="ms-tcn:stages=1,layers=3")


def complete(nni: FakeNni, trial: Trial, fitness: float, structure: Any = None) -> None:
    found = structure if structure is not None else FOUND[trial.parameters["seed"]]
    nni.report(trial, TrialReport(trial.uid, trial.name, found, metrics={"default": fitness}).to_nni())
    nni.end(trial)


def test_every_seed_is_trained_and_the_best_structure_is_found(nni: FakeNni) -> None:
    nni.start(tuner(), SPACE)
    while nni.running:
        trial = nni.running[0]
        complete(nni, trial, fitness=10.0 + (trial.parameters["seed"] == 5))
    assert [trial.parameters["seed"] for trial in nni.trials] == [3, 5, 8]
    (event,) = nni.records("done")
    assert event
    history = read_history(nni.folder)
    assert history.done
    assert history.best()[0].structure == FOUND[5]
    assert history.best()[0].about == {"seed": 5}


def test_trials_choose_among_what_the_declared_space_names(nni: FakeNni) -> None:
    space = {label: {"_type": "choice", "_value": [1, 2 + layer]} for layer, label in enumerate(FOUND[3])}
    nni.start(DifferentiableTuner(seeds=[3, 5], network="ms-tcn:stages=1,layers=3"), space)
    while nni.running:
        complete(nni, nni.running[0], 10.0)
    candidates = {"s1l0": [1, 2], "s1l1": [1, 3], "s1l2": [1, 4]}
    assert [trial.parameters["_candidates"] for trial in nni.trials] == [candidates] * 2
    assert [trial.parameters["seed"] for trial in nni.trials] == [3, 5]
    assert read_history(nni.folder).best()[0].about == {"seed": 3}  # not the candidates once more for each trial


def test_a_trial_that_dies_is_repeated(nni: FakeNni) -> None:
    nni.start(tuner(), SPACE)
    nni.crash(nni.running[0])
    while nni.running:
        complete(nni, nni.running[0], 10.0)
    assert sorted(trial.parameters["seed"] for trial in nni.trials) == [3, 3, 5, 8]


def test_a_resumed_search_trains_the_other_seeds(nni: FakeNni) -> None:
    nni.start(tuner(), SPACE)
    complete(nni, nni.running[0], 10.0)
    nni.resume(tuner(), SPACE)
    while nni.running:
        complete(nni, nni.running[0], 10.0)
    assert sorted(event["structure"]["s1l0"] for event in nni.records("finished")) == [1, 2, 4]


def test_a_result_of_another_network_is_an_error(nni: FakeNni) -> None:
    nni.start(tuner(), SPACE)
    with pytest.raises(RuntimeError, match="no structure of this network"):
        nni.report(nni.running[0], TrialReport(0, "a", {"s1l0": 1}, metrics={"default": 1.0}).to_nni())
    assert "no structure of this network" in nni.errors[0]


@pytest.mark.parametrize(
    "space",
    [
        {},
        [],
        {"seed": 1},
        {"seed": {"_type": "randint", "_value": [0, 3]}},
        {"s1l0": {"_type": "choice", "_value": [1]}},
        {"seed": {"_type": "choice", "_value": []}},
        {"seed": {"_type": "choice", "_value": [1, 1]}},
        {"seed": {"_type": "choice", "_value": [-1]}},
        {"seed": {"_type": "choice", "_value": ["a"]}},
        {"seed": {"_type": "choice", "_value": 3}},
    ],
)
@pytest.mark.usefixtures("nni")
def test_a_space_without_seeds_is_refused(space: Any) -> None:
    with pytest.raises(BadInput, match="seed"):
        tuner().create_search(space)


def test_a_saved_search_goes_on() -> None:
    search = DifferentiableSearch([3, 5, 8], ["s1l0"])
    first, second = search.ask(), search.ask()
    assert first is not None
    assert second is not None
    assert (first.dilations, first.about, second.extra) == ({}, {"seed": 3}, {"seed": 5})
    found = TrialReport(structure={"s1l0": 2})
    assert search.tell(first.uid, found)
    assert not search.tell(first.uid, found)
    search.ledger.fail(second.uid)
    again = DifferentiableSearch([3, 5, 8], ["s1l0"])
    again.load_state_dict(search.state_dict())
    assert (sorted(again.ledger.open), again.finished) == ([], False)
    again.ledger.reopen(second.uid)
    assert sorted(again.ledger.open) == [second.uid]
    with pytest.raises(BadInput, match="other seeds"):
        DifferentiableSearch([3, 5], ["s1l0"]).load_state_dict(search.state_dict())
    with pytest.raises(BadInput, match="other candidates"):
        DifferentiableSearch([3, 5, 8], ["s1l0"], {"s1l0": (1, 2)}).load_state_dict(search.state_dict())
    with pytest.raises(ValueError, match="asked"):
        again.load_state_dict({**search.state_dict(), "asked": 9})
    with pytest.raises(ValueError, match="no proposal"):
        again.load_state_dict({**search.state_dict(), "judged": [7]})
