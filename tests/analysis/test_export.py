from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from analysis import export
from common.bad_input import BadInput
from nas_space.networks import find_network
from nas_space.structure import Structure
from nas_space.structure_files import DIALECTS, read_structure
from nni_api.records import Records
from tests.analysis.records import write_final_records, write_global_records

NETWORK = find_network("ms-tcn:stages=1,layers=2")


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An experiment of three proposals, the second one the best."""
    folder = write_global_records(tmp_path / "Ab3dE" / "checkpoint", [10.0, 30.0, 20.0])
    monkeypatch.setattr(export, "find_experiment", lambda _: folder)
    return "Ab3dE"


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", ["export", *map(str, words)])
    export.main()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_best_structure_is_exported_in_each_dialect(
    experiment: str, dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "best.json"
    run(monkeypatch, experiment, "--dialect", dialect, "--output", path)
    assert read_structure(path, NETWORK) == Structure((2, 1), NETWORK)
    output = capsys.readouterr()
    assert output.out == f"{path}: trial trial1, default 30.00\n"
    assert "3 successful of 3 proposed structures" in output.err


def test_a_structure_is_exported_with_the_network_that_the_tuner_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = find_network("ms-tcn++:prediction=1,refinements=0,channels=8")
    folder = tmp_path / "Ab3dE" / "checkpoint"
    folder.mkdir(parents=True)
    records = Records(folder)
    records.write("started", network=network.to_json())
    result = {"trial": "t", "metrics": {"default": 50.0}, "epochs": [], "seconds": 3.0}
    records.write("finished", uid=0, structure={"s1l0a": 3, "s1l0b": 5}, **result)
    monkeypatch.setattr(export, "find_experiment", lambda _: folder)
    run(monkeypatch, "Ab3dE", "--output", tmp_path / "best.json")
    content = json.loads((tmp_path / "best.json").read_text())
    assert content["dilations"] == {"PG.conv_dilated_1.0": 3, "PG.conv_dilated_2.0": 5}
    assert content["network"] == {
        "name": "ms-tcn++",
        **{"prediction": 1, "refinements": 0, "layers": 10, "shared": 0, "channels": 8},
    }


def test_the_file_says_where_the_structure_comes_from(
    experiment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch, experiment, "--output", tmp_path / "best.json")
    about = json.loads((tmp_path / "best.json").read_text())["about"]
    assert about == {"experiment": "Ab3dE", "trial": "trial1", "proposal": 1, "metrics": {"default": 30.0}}


def local_records(folder: Path, learned: dict[str, list[float]]) -> Records:
    """Of a local search with one iteration, whose branches have learned this."""
    folder.mkdir(parents=True)
    records, structure = Records(folder), {"s1l0": 4, "s1l1": 1}
    records.write("started", phase="local", network=NETWORK.to_json())
    records.write("proposed", uid=0, structure=structure, chain=0, iteration=0, branching="3,0.5,1,2048")
    result = {"trial": "t", "metrics": {"default": 50.0}, "epochs": [], "seconds": 3.0, "probabilities": learned}
    records.write("finished", uid=0, structure=structure, **result)
    return records


def test_the_branches_of_a_local_search_are_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "local" / "checkpoint"
    records = local_records(folder, {"s1l0": [0.2, 0.3, 0.5], "s1l1": [0.9, 0.1]})
    records.write("chain_ended", chain=0, why="done", structure={"s1l0": 5, "s1l1": 1})
    monkeypatch.setattr(export, "find_experiment", lambda _: folder)
    run(monkeypatch, "local", "--output", tmp_path / "best.json", "--multiple", tmp_path / "multiple.json")
    assert read_structure(tmp_path / "best.json", NETWORK) == Structure((5, 1), NETWORK)
    expected = {"s1l0": [[2, 0.2], [4, 0.3], [6, 0.5]], "s1l1": [[1, 0.9], [2, 0.1]]}
    assert read_structure(tmp_path / "multiple.json", NETWORK) == Structure.from_labels(expected, NETWORK)
    about = json.loads((tmp_path / "multiple.json").read_text())["about"]
    assert about == {"experiment": "local", "trial": "t", "metrics": {"default": 50.0}}
    assert capsys.readouterr().out.splitlines()[0] == str(tmp_path / "multiple.json")


@pytest.mark.parametrize(
    "learned",
    [{"s1l0": [1.0]}, {"s1l0": [0.5, 0.5], "s1l1": [0.9, 0.1]}, {"s1l0": [0.2, 0.3, 0.6], "s1l1": [0.9, 0.1]}],
)
def test_damaged_branches_are_refused(
    learned: dict[str, list[float]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "local" / "checkpoint"
    local_records(folder, learned)
    monkeypatch.setattr(export, "find_experiment", lambda _: folder)
    with pytest.raises(BadInput, match="the records of local, trial t: not the branches of a structure"):
        run(monkeypatch, "local", "--multiple", tmp_path / "multiple.json")


def test_a_global_search_has_no_branches(experiment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="trial trial1 is not one of a local search: it has no branches to keep"):
        run(monkeypatch, experiment, "--multiple", tmp_path / "multiple.json")


def test_the_top_structures_are_numbered_by_rank(
    experiment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, experiment, "--top", 4, "--output", tmp_path / "best.json")
    names = ("best.json", "best_2.json", "best_3.json")
    assert [read_structure(tmp_path / name, NETWORK).dilations[0] for name in names] == [2, 4, 1]
    assert not (tmp_path / "best_4.json").exists()
    assert "only 3 different structures" in capsys.readouterr().err


def test_all_trials_are_written_as_a_table(
    experiment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "trials.csv"
    run(monkeypatch, experiment, "--table", path)
    assert capsys.readouterr().out == f"{path}\nrank 1: trial trial1, default 30.00\n"
    head, *rows = path.read_text().splitlines()
    assert head.startswith("trial,proposal,ended,state,")
    assert [row.split(",")[0] for row in rows] == ["trial0", "trial1", "trial2"]


def test_final_trainings_are_not_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that does best on the test videos is not what anybody found."""
    folder = write_final_records(tmp_path / "Ab3dE" / "checkpoint", [50.0, 60.0])
    monkeypatch.setattr(export, "find_experiment", lambda _: folder)
    with pytest.raises(BadInput, match=r"2 trainings done\): 'python -m analysis\.final OUTPUT' prints their table"):
        run(monkeypatch, "Ab3dE", "--output", tmp_path / "best.json")
    assert not (tmp_path / "best.json").exists()


def test_an_unknown_experiment_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(BadInput, match="unknown experiment 'nowhere'"):
        run(monkeypatch, "nowhere", "--output", tmp_path / "best.json")
