"""The final training and its tuner: every structure on every split with every seed, whatever is lost on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analysis.history import read_history
from common.bad_input import BadInput
from nas_space.networks import ms_tcn
from nas_space.structure import Structure
from nas_space.structure_files import write_structure
from nni_api.trial_report import TrialReport
from strategies.final import FinalPhase
from strategies.tuners import FinalTuner
from tests.strategies.fake_nni import FakeNni, Trial

NETWORK = ms_tcn.describe(stages=1, layers=3)
HAND = Structure.hand(NETWORK)
FOUND = Structure((4, 1, 4), NETWORK)


def phase(found: Structure = FOUND) -> FinalPhase:
    return FinalPhase({("hand", 1): HAND, ("f{split}.json", 1): found, ("hand", 2): HAND}, [5, 3])


def tuner(structures: Any = ("hand",), splits: Any = (1, 2), seeds: Any = (0, 1), **arguments: Any) -> FinalTuner:
    lists: list[Any] = [list(each) if isinstance(each, tuple) else each for each in (structures, splits, seeds)]
    settings: dict[str, Any] = {"network": "ms-tcn:stages=1,layers=3", **arguments}
    return FinalTuner(lists[0], lists[1], lists[2], **settings)


def space(structures: Any = ("hand",), splits: Any = (1, 2), seeds: Any = (0, 1)) -> dict[str, Any]:
    shown = {"structure": structures, "split": splits, "seed": seeds}
    return {
        name: {"_type": "choice", "_value": list(values) if isinstance(values, tuple) else values}
        for name, values in shown.items()
    }


def complete(nni: FakeNni, trial: Trial) -> None:
    nni.report(trial, TrialReport(trial.uid, trial.name, {}, metrics={"default": 60.0, "acc": 70.0}).to_nni())
    nni.end(trial)


def places(nni: FakeNni) -> list[tuple[Any, ...]]:
    """Structure, split and seed of every result."""
    history = read_history(nni.folder)
    return [tuple(e.about[name] for name in ("name", "split", "seed")) for e in history.evaluations]


ALL = [("hand", split, seed) for seed in (0, 1) for split in (1, 2)]


def test_shares_of_branches_are_part_of_the_list() -> None:
    """A list that goes on must be of the same structures."""

    def kept(share: float) -> FinalPhase:
        branches = [[3, share], [4, 1 - share]]
        return phase(Structure.from_labels({"s1l0": branches, "s1l1": 1, "s1l2": 4}, NETWORK))

    saved = json.loads(json.dumps(kept(0.25).state_dict()))
    kept(0.25).load_state_dict(saved)
    with pytest.raises(BadInput, match="the structure for split 1 has changed"):
        kept(0.5).load_state_dict(saved)


# The list


def test_all_structures_and_splits_come_with_the_first_seed_then_with_the_next() -> None:
    final = phase()
    asked = [final.ask() for _ in range(6)]
    assert final.ask() is None
    told = [proposal.extra for proposal in asked if proposal]
    places = [
        (seed, split, name) for seed in (5, 3) for split, name in ((1, "hand"), (1, "f{split}.json"), (2, "hand"))
    ]
    assert told == [{"structure": name, "split": split, "seed": seed} for seed, split, name in places]
    assert asked[1]
    assert (asked[1].dilations, asked[1].about) == ({}, {"name": "f{split}.json", "split": 1, "seed": 5})


def test_a_saved_final_training_goes_on() -> None:
    final = phase()
    for _ in range(3):
        final.ask()
    final.tell(1, TrialReport())
    again = phase()
    again.load_state_dict(json.loads(json.dumps(final.state_dict())))
    assert (sorted(again.ledger.open), again.state_dict()) == ([0, 2], final.state_dict())


def test_what_had_failed_is_tried_again_after_a_resume() -> None:
    final = phase()
    final.ask()
    final.ask()
    final.ledger.fail(0)
    again = phase()
    again.load_state_dict(json.loads(json.dumps(final.state_dict())))
    assert (sorted(final.ledger.open), sorted(again.ledger.open)) == ([1], [0, 1])


def test_other_lists_and_a_changed_structure_are_refused() -> None:
    state = json.loads(json.dumps(phase().state_dict()))
    for other in (FinalPhase({("hand", 1): HAND}, [5, 3]), FinalPhase({("hand", 1): HAND, ("hand", 2): HAND}, [5])):
        with pytest.raises(BadInput, match="other structures, splits or seeds: start a new experiment"):
            other.load_state_dict(state)
    with pytest.raises(BadInput, match=r"^f\{split\}\.json: the structure for split 1 has changed since"):
        phase(found=HAND).load_state_dict(state)


def test_structures_that_would_share_a_folder_are_refused() -> None:
    with pytest.raises(BadInput, match=r"must have different file names, not a/best\.json, b/best\.json"):
        FinalPhase({("a/best.json", 1): HAND, ("hand", 1): HAND, ("b/best.json", 1): FOUND}, [0])


# Under NNI


def test_every_training_is_done_once(nni: FakeNni) -> None:
    nni.start(tuner(), space())
    while nni.running:
        complete(nni, nni.running[0])
    assert places(nni) == ALL
    assert nni.trials[1].parameters == {"structure": "hand", "split": 2, "seed": 0, "_uid": 1}
    assert (nni.endings, nni.errors) == (1, [])
    history = read_history(nni.folder)
    assert (history.phase, history.done) == ("final", True)
    with pytest.raises(BadInput, match=r"final trainings find no structure \(4 trainings done\): 'python -m analysis"):
        history.best()


@pytest.mark.parametrize("stops", [{0}, {1}, {2, 3}, {0, 1, 2, 3}], ids=str)
def test_a_resumed_final_training_does_what_is_missing(nni: FakeNni, stops: set[int]) -> None:
    nni.start(tuner(), space())
    for done in range(4):
        if done in stops:
            nni.resume(tuner(), space())
        complete(nni, nni.running[-1])
    assert (sorted(places(nni)), nni.running) == (sorted(ALL), [])
    assert sorted(trial.uid or 0 for trial in nni.trials) == [0, 1, 2, 3]
    assert (nni.endings, nni.errors) == (1, [])


def test_what_nni_lost_over_a_resume_is_handed_out_again(nni: FakeNni) -> None:
    """A trial that had ended when the manager was killed, before its result was on disk."""
    nni.start(tuner(), space())
    nni.running[0].status = "FAILED"
    nni.resume(tuner(), space())
    while nni.running:
        complete(nni, nni.running[0])
    assert (sorted(places(nni)), nni.endings) == (sorted(ALL), 1)
    assert sorted(trial.uid or 0 for trial in nni.trials) == [0, 0, 1, 2, 3]


def test_a_training_that_dies_is_repeated_and_one_that_says_why_is_not(nni: FakeNni) -> None:
    nni.workers = 1
    nni.start(tuner(), space())
    nni.crash(nni.running[0])
    failed = nni.running[0]
    nni.report(failed, TrialReport(failed.uid, failed.name, {}, failure="the loss is nan").to_nni())
    nni.crash(failed)
    while nni.running:
        complete(nni, nni.running[0])
    reasons = [(event["uid"], event["reason"], event["again"]) for event in nni.records("failed")]
    assert reasons == [(0, "the trial failed or was stopped", True), (1, "the loss is nan", False)]
    assert (len(places(nni)), nni.endings, nni.errors) == (3, 1, [])


def test_a_resume_trains_what_had_failed_and_believes_no_old_failure(nni: FakeNni) -> None:
    nni.workers = 1
    nni.start(tuner(), space())
    failed = nni.running[0]
    nni.report(failed, TrialReport(failed.uid, failed.name, {}, failure="the GPU's memory is full").to_nni())
    nni.crash(failed)
    nni.resume(tuner(), space())
    while nni.running:
        complete(nni, nni.running[0])
    assert (sorted(places(nni)), nni.endings, nni.errors) == (sorted(ALL), 1, [])
    assert len(nni.records("failed")) == 1


def test_each_split_has_its_own_structure_file(nni: FakeNni, tmp_path: Path) -> None:
    name = f"{tmp_path}/split{{split}}.json"
    write_structure(FOUND, tmp_path / "split1.json")
    lists = ((name,), (1, 2))
    nni.start(tuner(*lists), space(*lists))
    assert nni.errors == [f"{tmp_path}/split2.json: no such structure file (give a JSON file, or the name 'hand')"]
    assert nni.trials == []


# Refusals


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"structures": "hand"}, "structures must be a list of file names, at least one, not 'hand'"),
        ({"structures": []}, "structures must be a list of file names, at least one, not []"),
        ({"structures": [3]}, "structures must be a list of file names, at least one, not [3]"),
        ({"structures": ["hand", "hand"]}, "structures must be different, not ['hand', 'hand']"),
        ({"structures": ["a/hand.json", "hand"]}, "/a/hand.json: no such structure file"),
        ({"splits": 1}, "splits must be a list of numbers of splits, at least one, not 1"),
        ({"splits": [0]}, "splits must be a list of numbers of splits, at least one, not [0]"),
        ({"splits": [False]}, "splits must be a list of numbers of splits, at least one, not [False]"),
        ({"splits": [1, 1]}, "splits must be different, not [1, 1]"),
        ({"seeds": None}, "seeds must be a list of whole numbers of at least 0, at least one, not None"),
        ({"seeds": [-1]}, "seeds must be a list of whole numbers of at least 0, at least one, not [-1]"),
        ({"seeds": [2, 2]}, "seeds must be different, not [2, 2]"),
        ({"network": "ms-tcn:layers=0"}, "network ms-tcn: layers must be a whole number from 1 to 1000, not 0"),
        ({"retries": -1}, "retries must be a whole number of at least 0, not -1"),
        ({"check_command": "python3 -c 'raise SystemExit(\"error: no features\")'"}, "error: no features"),
    ],
    ids=str,
)
def test_bad_class_args_end_the_experiment_before_a_trial(
    nni: FakeNni, arguments: dict[str, Any], message: str
) -> None:
    shown = {name: value for name, value in arguments.items() if name in ("structures", "splits", "seeds")}
    nni.start(tuner(**arguments), space(**shown))
    [error] = nni.errors
    assert message in error
    assert "\n" not in error
    assert nni.trials == []


@pytest.mark.parametrize(
    "shown",
    [None, [], {}, space(splits=(1,)), {**space(), "s1l0": {}}, {**space(), "seed": {"_type": "choice"}}],
    ids=str,
)
def test_the_search_space_must_show_the_lists(nni: FakeNni, shown: Any) -> None:
    nni.start(tuner(), shown)
    [error] = nni.errors
    assert error.startswith("the search space must show the structures, splits and seeds of classArgs")
    assert "\n" not in error
    assert nni.trials == []
