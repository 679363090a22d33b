from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nas_space.branching import Branching
from nas_space.networks import ms_tcn
from nas_space.structure import Structure
from nas_space.structure_files import write_structure
from nni_api.trial_report import TrialReport
from strategies.expectation import ExpectationSearch
from strategies.tuners import LocalTuner
from tests.strategies.fake_nni import LABELS, FakeNni, Trial
from tests.strategies.local_tuners import tuner

NETWORK = ms_tcn.describe(stages=1, layers=3)
HAND = {"s1l0": 1, "s1l1": 2, "s1l2": 4}
# Expand 1 -> 1 2, 2 -> 1 2 3, 4 -> 2 4 6; estimate 0.3 + 1.4 = 1.7; 0.2 + 1 + 0.9 = 2.1; 1 + 1 + 1.5 = 3.5, towards 4.
LEARNT = {"s1l0": [0.3, 0.7], "s1l1": [0.2, 0.5, 0.3], "s1l2": [0.5, 0.25, 0.25]}
AFTER = {"s1l0": 2, "s1l1": 2, "s1l2": 4}


def dilations(trial: Trial) -> dict[str, int]:
    return {label: trial.parameters[label] for label in LABELS}


def up(trial: Trial) -> dict[str, list[float]]:
    """All probability on the highest branch of every layer."""
    branching = Branching.from_text(trial.parameters["_branching"])
    sizes = {label: len(branching.expand(dilation)) for label, dilation in dilations(trial).items()}
    return {label: [0.0] * (size - 1) + [1.0] for label, size in sizes.items()}


def report(trial: Trial, **outcome: Any) -> dict[str, Any]:
    """The final result of a trial: a good one, unless it says why it failed."""
    good = {"metrics": {"default": 50.0, "acc": 60.0}, "probabilities": up(trial)}
    return TrialReport(trial.uid, trial.name, dilations(trial), **(outcome or good)).to_nni()


def complete(nni: FakeNni, trial: Trial) -> None:
    nni.report(trial, report(trial))
    nni.end(trial)


def fail(nni: FakeNni, trial: Trial, how: str) -> None:
    """A trial dies, with or without a word."""
    if how == "stated":
        nni.report(trial, report(trial, failure="out of memory"))
    nni.crash(trial)


def places(trials: list[Trial]) -> list[tuple[int, int]]:
    return [(trial.parameters["chain"], trial.parameters["iteration"]) for trial in trials]


def local_search(nni: FakeNni) -> ExpectationSearch:
    search = nni.tuner.search
    assert isinstance(search, ExpectationSearch)
    return search


# Chains


def test_one_chain_for_each_start_split_and_seed(nni: FakeNni, tmp_path: Path) -> None:
    nni.workers = 8
    write_structure(Structure((3, 5, 7), NETWORK), tmp_path / "start.json")
    nni.start(tuner(starts=["hand", str(tmp_path / "start.json")], splits=[1, 2], seeds=[5, 6]))
    about = [(*dilations(t).values(), t.parameters["split"], t.parameters["seed"]) for t in nni.trials]
    assert about == [(*start, split, seed) for start in ((1, 2, 4), (3, 5, 7)) for split in (1, 2) for seed in (5, 6)]
    assert places(nni.trials) == [(chain, 0) for chain in range(8)]


def test_a_trial_is_told_what_it_needs(nni: FakeNni) -> None:
    nni.start(tuner(splits=[3], seeds=[7], branches=5, min_dilation=1, max_dilation=64))
    [trial] = nni.trials
    place = {"chain": 0, "iteration": 0, "split": 3, "seed": 7}
    assert trial.parameters == {**HAND, **place, "_branching": "5,0.5,1,64", "_earlier": {}, "_uid": 0}
    [event] = nni.records("proposed")
    assert {name: event[name] for name in place} == place
    assert event["structure"] == HAND


@pytest.mark.usefixtures("nni")
def test_the_default_is_the_papers() -> None:
    space = dict.fromkeys(ms_tcn.describe().paths)
    search = LocalTuner(["hand"], [1], [0]).create_search(space)
    assert (search.iterations, search.branching) == (10, Branching(3, 0.1, 1, 2048))
    assert [chain.dilations for chain in search.chains] == [[2**layer for layer in range(10)] * 4]


def test_a_seed_dialect_file_is_a_start(nni: FakeNni, tmp_path: Path) -> None:
    write_structure(Structure((3, 5, 7), NETWORK), tmp_path / "start.json", "seed")
    nni.start(tuner(starts=[str(tmp_path / "start.json")]))
    assert dilations(nni.trials[0]) == {"s1l0": 3, "s1l1": 5, "s1l2": 7}


def test_the_next_iteration_starts_from_the_expectation(nni: FakeNni) -> None:
    nni.start(tuner())
    [trial] = nni.trials
    nni.report(trial, report(trial, metrics={"default": 1.0}, probabilities=LEARNT))
    assert dilations(nni.running[-1]) == AFTER
    assert places(nni.running) == [(0, 0), (0, 1)]
    assert nni.running[-1].parameters["_earlier"] == {"0": "1 2 4"}


def test_earlier_structures_are_told_to_trials_only(nni: FakeNni) -> None:
    """Records have each of them once, in its own event, and so has the state."""
    nni.start(tuner())
    complete(nni, nni.trials[0])
    place = {"chain": 0, "iteration": 1, "split": 1, "seed": 0, "branching": "3,0.5,1,2048"}
    event = nni.records("proposed")[-1]
    assert event.keys() == {"event", "time", "uid", "structure", *place}
    state = nni.state()["search"]
    assert state["steps"] == [[0, 0, "1 2 4"], [0, 1, "2 3 6"]]
    assert state.keys() == {"search", "chains", "steps"}
    assert state["chains"][0].keys() == {"dilations", "variant", "iteration", "pending"}


def test_records_hold_what_the_branches_learnt(nni: FakeNni) -> None:
    nni.start(tuner())
    [trial] = nni.trials
    nni.report(trial, report(trial, metrics={"default": 1.0}, probabilities=LEARNT))
    [event] = nni.records("finished")
    assert (event["uid"], event["structure"], event["probabilities"]) == (0, HAND, LEARNT)


# Workers


def test_a_waiting_worker_is_served_as_soon_as_a_result_allows(nni: FakeNni) -> None:
    nni.workers = 3
    nni.start(tuner(seeds=[0, 1]))
    assert places(nni.running) == [(0, 0), (1, 0)]
    # The result comes while its own worker is still busy: the third worker goes on.
    nni.report(nni.trials[1], report(nni.trials[1]))
    assert places(nni.running) == [(0, 0), (1, 0), (1, 1)]
    nni.end(nni.trials[1])
    complete(nni, nni.trials[0])
    assert places(nni.running) == [(1, 1), (0, 1)]


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
def test_the_experiment_ends_when_all_chains_are_done(nni: FakeNni, workers: int) -> None:
    nni.workers = workers
    nni.start(tuner(seeds=[0, 1, 2], iterations=4))
    for done in range(12):
        assert nni.endings == 0
        left = 3 if done <= 9 else 12 - done
        assert len(nni.running) == min(workers, left)
        complete(nni, nni.running[0])
    assert sorted(places(nni.trials)) == [(chain, step) for chain in range(3) for step in range(4)]
    assert (nni.running, nni.endings, nni.errors) == ([], 1, [])
    assert len(nni.records("done")) == 1
    # 1 -> 2 -> 3 -> 5 -> 8, as half of 3 and of 5, 1.5 and 2.5, count as 2 and 3.
    assert [chain.dilations[0] for chain in local_search(nni).chains] == [8, 8, 8]


# Failures


@pytest.mark.parametrize("how", ["silent", "stated"])
def test_a_failed_iteration_is_repeated_once(nni: FakeNni, how: str) -> None:
    nni.start(tuner())
    fail(nni, nni.trials[0], how)
    assert [trial.parameters for trial in nni.running] == [nni.trials[0].parameters]
    complete(nni, nni.running[0])
    assert places(nni.running) == [(0, 1)]
    assert [event["again"] for event in nni.records("failed")] == [True]


@pytest.mark.parametrize("how", ["silent", "stated"])
def test_a_chain_that_fails_twice_ends_with_what_it_has_and_the_others_go_on(nni: FakeNni, how: str) -> None:
    nni.start(tuner(seeds=[0, 1]))
    complete(nni, nni.trials[0])
    for _ in range(2):
        [failing] = [trial for trial in nni.running if places([trial]) == [(0, 1)]]
        fail(nni, failing, how)
    reason = "out of memory" if how == "stated" else "the trial failed or was stopped"
    assert [(e["uid"], e["again"], e["reason"]) for e in nni.records("failed")] == [
        (failing.uid, True, reason),
        (failing.uid, False, reason),
    ]
    [ended] = nni.records("chain_ended")
    assert (ended["chain"], ended["why"], ended["iterations"]) == (0, "iteration 1 failed", 1)
    assert ended["structure"] == {"s1l0": 2, "s1l1": 3, "s1l2": 6}
    assert places(nni.running) == [(1, 0)]
    assert (local_search(nni).chains[0].dilations, local_search(nni).ended(0)) == (
        [2, 3, 6],
        "iteration 1 failed",
    )
    for _ in range(2):
        assert nni.endings == 0
        complete(nni, nni.running[0])
    assert (nni.endings, nni.errors) == (1, [])


def test_each_iteration_may_fail_once(nni: FakeNni) -> None:
    nni.start(tuner(iterations=3))
    for iteration in range(3):
        for how in ("silent", "complete"):
            [trial] = nni.running
            assert places([trial]) == [(0, iteration)]
            complete(nni, trial) if how == "complete" else fail(nni, trial, how)
    assert (nni.endings, len(nni.records("finished"))) == (1, 3)


def test_a_result_without_probabilities_ends_the_experiment(nni: FakeNni) -> None:
    nni.start(tuner())
    with pytest.raises(RuntimeError, match="reports no branch probabilities"):
        nni.report(nni.trials[0], report(nni.trials[0], metrics={"default": 1.0}))
    assert len(nni.errors) == 1


# Resume


@pytest.mark.parametrize("stops", [{0}, {1, 2}, set(range(6))], ids=str)
def test_resumed_chains_end_where_uninterrupted_ones_do(
    stops: set[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = []
    for name, points in (("straight", set()), ("resumed", stops)):
        (tmp_path / name).mkdir()
        nni = FakeNni(tmp_path / name, monkeypatch)
        nni.start(tuner(seeds=[0, 1], iterations=3))
        for step in range(6):
            if step in points:
                nni.resume(tuner(seeds=[0, 1], iterations=3))
            complete(nni, nni.running[0])
        ends.append([chain.dilations for chain in local_search(nni).chains])
        assert (nni.running, nni.endings, nni.errors) == ([], 1, [])
        assert len(nni.records("finished")) == 6
    # 1 -> 2 -> 3 -> 5, 2 -> 3 -> 5 -> 8, 4 -> 6 -> 9 -> 14.
    assert ends == [[[5, 8, 14]] * 2] * 2


def test_a_stated_failure_counts_once_over_a_resume(nni: FakeNni) -> None:
    nni.start(tuner())
    fail(nni, nni.trials[0], "stated")
    nni.resume(tuner())
    assert (places(nni.running), nni.endings) == ([(0, 0)], 0)
    assert local_search(nni).ended(0) is None
    assert len(nni.records("failed")) == 1


def test_state_on_disk_is_json_that_names_the_chains(nni: FakeNni) -> None:
    nni.start(tuner(seeds=[0, 1]))
    chains = json.loads(json.dumps(nni.state()))["search"]["chains"]
    assert [chain["variant"] for chain in chains] == [{"split": 1, "seed": 0}, {"split": 1, "seed": 1}]
    assert [chain["pending"] for chain in chains] == [0, 1]
