from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analysis.history import read_history
from common.bad_input import BadInput
from nas_space.networks import find_network
from nni_api.records import Records
from tests.analysis.records import write_final_records, write_global_records


def test_a_search_is_read_as_it_was_recorded(tmp_path: Path) -> None:
    history = read_history(write_global_records(tmp_path / "checkpoint", [10.0, 30.0, 20.0]))
    assert (history.proposed, history.done, history.error, history.failures) == (3, True, None, [])
    assert [evaluation.metrics["default"] for evaluation in history.evaluations] == [10.0, 30.0, 20.0]
    assert [evaluation.about["generation"] for evaluation in history.evaluations] == [0, 0, 1]


def test_the_best_come_first_and_each_structure_once(tmp_path: Path) -> None:
    folder = write_global_records(tmp_path / "checkpoint", [10.0, 30.0, 30.0, 20.0])
    again = {"trial": "again", "metrics": {"default": 25.0}, "epochs": [], "seconds": 3.0}
    Records(folder).write("finished", uid=None, structure={"s1l0": 2, "s1l1": 1}, **again)
    assert [evaluation.trial for evaluation in read_history(folder).best(9)] == ["trial1", "trial2", "trial3", "trial0"]


def test_a_result_that_was_recorded_twice_counts_once(tmp_path: Path) -> None:
    folder = write_global_records(tmp_path / "checkpoint", [10.0])
    again = {"trial": "trial0", "metrics": {"default": 99.0}, "epochs": [], "seconds": 3.0}
    Records(folder).write("finished", uid=0, structure={"s1l0": 1, "s1l1": 1}, **again)
    (evaluation,) = read_history(folder).evaluations
    assert evaluation.metrics == {"default": 10.0}


def test_a_chain_stands_for_the_structure_that_it_ended_with(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    records = Records(folder)
    for uid, (chain, value) in enumerate([(0, 50.0), (1, 60.0), (0, 70.0), (1, 65.0)]):
        structure = {"s1l0": 8 + uid}
        records.write("proposed", uid=uid, structure=structure, chain=chain, iteration=uid // 2)
        result = {"trial": f"trial{uid}", "metrics": {"default": value}, "epochs": [], "seconds": 3.0}
        records.write("finished", uid=uid, structure=structure, **result)
    assert read_history(folder).best()[0].structure == {"s1l0": 10}

    records.write("chain_ended", chain=1, why="done", iterations=2, structure={"s1l0": 5})
    assert [(e.structure, e.metrics["default"]) for e in read_history(folder).best(9)] == [({"s1l0": 5}, 65.0)]
    records.write("chain_ended", chain=0, why="done", iterations=2, structure={"s1l0": 4})
    assert [e.structure for e in read_history(folder).best(9)] == [{"s1l0": 4}, {"s1l0": 5}]


def test_a_search_without_success_says_why(tmp_path: Path) -> None:
    folder = write_global_records(tmp_path / "checkpoint", [], done=False)
    with pytest.raises(BadInput, match="no successful trial: none has finished yet"):
        read_history(folder).best()
    Records(folder).write("failed", uid=0, trial="trial0", reason="no such feature file", again=False)
    with pytest.raises(BadInput, match="no successful trial: no such feature file"):
        read_history(folder).best()
    Records(folder).write("error", message="the first 5 trials failed")
    with pytest.raises(BadInput, match="no successful trial: the first 5 trials failed"):
        read_history(folder).best()


def test_final_trainings_have_a_table_and_no_best(tmp_path: Path) -> None:
    folder = write_final_records(tmp_path / "checkpoint", [50.0])
    history = read_history(folder)
    assert (history.phase, history.proposed) == ("final", 2)
    assert [evaluation.about for evaluation in history.evaluations] == [{"name": "hand", "split": 1, "seed": 0}]
    table = "'python -m analysis.final OUTPUT' prints their table, OUTPUT as in the trialCommand"
    with pytest.raises(BadInput) as refusal:
        history.best()
    state = "final trainings find no structure (1 training done)"
    assert str(refusal.value) == f"{folder}/records.jsonl: {state}: {table}"
    Records(folder).write("error", message="no features")
    with pytest.raises(BadInput, match=r"\(1 training done; no features\)"):
        read_history(folder).best()


def test_the_phase_of_earlier_records_is_not_known(tmp_path: Path) -> None:
    assert read_history(write_global_records(tmp_path / "checkpoint", [10.0])).phase is None


def started(folder: Path, **content: Any) -> Records:
    """Records that a tuner has begun."""
    folder.mkdir()
    records = Records(folder)
    records.write("started", resumed=False, refusal=None, **content)
    return records


def test_the_tuner_says_the_network(tmp_path: Path) -> None:
    """Whatever the labels look like: those of a causal network are the same as without causality."""
    network = find_network("causal-ms-tcn:stages=1,layers=2,channels=8")
    records = started(tmp_path / "checkpoint", network=network.to_json())
    assert read_history(tmp_path / "checkpoint").network == network
    result: dict[str, Any] = {"trial": "t", "metrics": {"default": 1.0}, "epochs": [], "seconds": 3.0}
    records.write("finished", uid=0, structure={"s1l0": 1, "s1l1": 2}, **result)
    records.write("started", resumed=True, refusal="the data has changed")  # it has no search then
    assert read_history(tmp_path / "checkpoint").network == network


def test_records_of_earlier_versions_have_the_network_of_their_labels(tmp_path: Path) -> None:
    """Of a trial that was added on NNI's page only where there is no other."""
    records = started(tmp_path / "checkpoint")
    result: dict[str, Any] = {"trial": "t", "metrics": {"default": 1.0}, "epochs": [], "seconds": 3.0}
    with pytest.raises(BadInput, match="not the labels of layers: none"):
        _ = read_history(tmp_path / "checkpoint").network
    records.write("finished", uid=None, structure={"s1l0": 64}, **result)
    assert read_history(tmp_path / "checkpoint").network == find_network("ms-tcn:stages=1,layers=1")
    records.write("finished", uid=0, structure={"s2l0": 8, "s1l0": 2, "s1l1": 4, "s2l1": 16}, **result)
    assert read_history(tmp_path / "checkpoint").network == find_network("ms-tcn:stages=2,layers=2")
    records.write("started", resumed=True, network=find_network("ms-tcn:stages=2,layers=2,channels=8").to_json())
    assert read_history(tmp_path / "checkpoint").network.option("channels") == 8


@pytest.mark.parametrize("network", [None, "ms-tcn", {"name": "no-such-network"}, {"name": "ms-tcn", "stages": -1}])
def test_a_damaged_network_is_refused(tmp_path: Path, network: Any) -> None:
    started(tmp_path / "checkpoint", network=network)
    with pytest.raises(BadInput, match=r"records\.jsonl: .*network"):
        read_history(tmp_path / "checkpoint")


def test_a_folder_without_records_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no records"):
        read_history(tmp_path)


def finish(folder: Path, **content: Any) -> Path:
    """Records of one trial that finished with this content."""
    folder.mkdir()
    known = {"trial": "t0", "structure": {"s1l0": 4}, "metrics": {"default": 50.0}, "epochs": [], "seconds": 3.0}
    Records(folder).write("finished", uid=0, **known | content)
    return folder


def test_branches_have_their_probabilities(tmp_path: Path) -> None:
    learnt = {"s1l0": [0.25, 0.5, 0.25]}
    (local,) = read_history(finish(tmp_path / "local", probabilities=learnt)).evaluations
    (other,) = read_history(finish(tmp_path / "global")).evaluations
    assert (local.probabilities, other.probabilities) == (learnt, None)


@pytest.mark.parametrize("seconds", [float("inf"), "3"])
def test_damaged_seconds_are_refused(tmp_path: Path, seconds: Any) -> None:
    with pytest.raises(BadInput, match=r"records\.jsonl: damaged: an event 'finished' without its content"):
        read_history(finish(tmp_path / "checkpoint", seconds=seconds))


@pytest.mark.parametrize("damaged", [[0.5, 0.5], {"s1l0": 1.0}, {"s1l0": ["1"]}, {"s1l0": [float("nan")]}])
def test_damaged_probabilities_are_refused(tmp_path: Path, damaged: Any) -> None:
    with pytest.raises(BadInput, match=r"records\.jsonl: damaged: an event 'finished' without its content"):
        read_history(finish(tmp_path / "checkpoint", probabilities=damaged))
