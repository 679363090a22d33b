"""The confirmation of a search under NNI: its trials, and which structure is best by them."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.history import read_history
from nni_api.trial_report import TrialReport
from strategies.tuners import DifferentiableTuner, GlobalTuner
from tests.strategies.fake_nni import SPACE, FakeNni, Trial


def global_tuner() -> GlobalTuner:
    network = "ms-tcn:stages=1,layers=3"
    return GlobalTuner(population_size=2, budget=4, network=network, starts=["hand"], confirm=1, confirm_seeds=2)


def test_the_mean_of_the_confirmations_decides_whatever_was_interrupted(nni: FakeNni) -> None:
    nni.start(global_tuner())
    for uid, score in enumerate((60.0, 70.0, 80.0, 65.0)):
        nni.complete(next(trial for trial in nni.running if trial.uid == uid), score)
    best, hand = nni.running
    assert (best.uid, best.structure) == (4, next(trial for trial in nni.trials if trial.uid == 2).structure)
    assert hand.structure == {"s1l0": 1, "s1l1": 2, "s1l2": 4}
    scores = {(4, 1): 71.0, (5, 1): 72.0, (6, 2): 69.0, (7, 2): 74.0}  # by proposal and number of the confirmation

    def complete(trial: Trial) -> None:
        assert trial.uid is not None
        nni.complete(trial, scores[trial.uid, trial.parameters["_confirmation"]])

    complete(hand)
    nni.crash(best)  # is tried again
    nni.resume(global_tuner())
    while nni.running:
        complete(nni.running[0])
    assert (nni.endings, nni.errors) == (1, [])
    history = read_history(nni.folder)
    assert (history.done, history.proposed, len(history.evaluations), len(history.confirmations)) == (True, 4, 4, 4)
    ranked = [(each.uid, each.metrics["default"], each.confirmed_by) for each in history.best(9)]
    assert ranked == [(0, 73.0, 2), (2, 70.0, 2), (1, 70.0, 0), (3, 65.0, 0)]


def test_structures_found_are_confirmed_beside_hand(nni: FakeNni) -> None:
    network = "ms-tcn:stages=1,layers=3"
    nni.start(DifferentiableTuner(seeds=[3, 5], network=network, confirm=1, confirm_seeds=1, starts=["hand"]))
    found = {3: {"s1l0": 4, "s1l1": 4, "s1l2": 4}, 5: {"s1l0": 1, "s1l1": 1, "s1l2": 1}}

    def complete(trial: Trial, score: float) -> None:
        structure = found[trial.parameters["seed"]] if "seed" in trial.parameters else trial.structure
        nni.report(trial, TrialReport(trial.uid, trial.name, structure, {"default": score}).to_nni())
        nni.end(trial)

    complete(nni.running[0], 50.0)
    complete(nni.running[0], 40.0)
    assert [trial.structure for trial in nni.running] == [found[3], {"s1l0": 1, "s1l1": 2, "s1l2": 4}]
    assert all(set(trial.parameters) == {*found[3], "_uid", "_confirmation"} for trial in nni.running)
    complete(nni.running[0], 41.0)
    complete(nni.running[0], 45.0)
    assert (nni.endings, nni.errors) == (1, [])
    ranked = [(each.structure, each.metrics, each.confirmed_by) for each in read_history(nni.folder).best(9)]
    assert ranked == [
        ({"s1l0": 1, "s1l1": 2, "s1l2": 4}, {"default": 45.0}, 1),
        (found[3], {"default": 41.0}, 1),
        (found[5], {"default": 40.0}, 0),
    ]


@pytest.mark.parametrize(
    ("arguments", "space", "message"),
    [
        (
            {"seeds": [0], "starts": ["hand"]},
            SPACE,
            "starts needs confirm: a differentiable search itself starts from no",
        ),
        ({"confirm": 1}, {"seed": {"_type": "choice", "_value": [0]}}, "needs the argument seeds"),
        ({"confirm_seeds": 1}, {"seed": {"_type": "choice", "_value": [0]}}, "needs the argument seeds"),
        ({"seeds": [0], "confirm": 0}, SPACE, "confirm must be a whole number of at least 1"),
    ],
)
def test_bad_class_args_end_the_experiment(nni: FakeNni, arguments: dict[str, Any], space: Any, message: str) -> None:
    nni.start(DifferentiableTuner(network="ms-tcn:stages=1,layers=3", **arguments), space)
    assert message in nni.errors[0]
    assert nni.trials == []
