from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.bad_input import BadInput
from nas_space.networks import find_network
from nas_space.structure import Structure
from studies.search_quality.__main__ import write_rules
from studies.search_quality.final_results import TABLE, FinalResult, of_text, read_final_results, read_rules, to_text
from studies.search_quality.search import SearchKey, SearchResult
from tests.conftest import REPOSITORY
from tests.studies.search_quality.conftest import NETWORK
from trials.table import csv_text
from trials.training.metrics import METRICS

NETWORK_OF_TWO = find_network("ms-tcn:stages=1,layers=2")
WINNER = SearchResult(Structure((1, 2, 4, 8, 16, 32), NETWORK), 20, 1.5)
CELL = FinalResult(SearchKey("small", "random", 2, 1), 0, WINNER, dict.fromkeys(METRICS, 50.0))


def write(folder: Path, *finals: FinalResult) -> Path:
    (folder / "rules.json").write_text(json.dumps({"network": NETWORK.to_json()}))
    (folder / TABLE).write_text(csv_text([final.describe() for final in finals]))
    return folder / TABLE


percentages = st.floats(0, 100)


@given(
    metrics=st.tuples(*[percentages] * len(METRICS)),
    epochs=st.none() | st.integers(0, 10**6),
    seconds=st.none() | st.floats(0, 1e9),
    objective=st.none() | percentages,
    dilations=st.tuples(*[st.integers(1, 2**20)] * 6),
)
def test_a_line_holds_all_of_a_training(
    metrics: tuple[float, ...],
    epochs: int | None,
    seconds: float | None,
    objective: float | None,
    dilations: tuple[int, ...],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    winner = SearchResult(Structure(dilations, NETWORK), epochs, seconds, objective)
    final = FinalResult(SearchKey("small", "ours", 3, 4), 5, winner, dict(zip(METRICS, metrics, strict=True)))
    folder = tmp_path_factory.mktemp("comparison")
    write(folder, final)
    assert read_final_results(folder) == [final]


def test_branches_are_written_with_their_shares() -> None:
    structure = Structure.from_labels({"s1l0": [[1, 0.25], [2, 0.75]], "s1l1": 4}, NETWORK_OF_TWO)
    assert to_text(structure) == "1:0.25+2:0.75 4:1.0"
    assert of_text(to_text(structure), NETWORK_OF_TWO) == structure
    assert of_text("1 | 4", NETWORK_OF_TWO) == Structure((1, 4), NETWORK_OF_TWO)
    for text in ("1", "1 2 3", "1:0.5 4", "1:x+2:0.5 4", "1+2 4"):
        with pytest.raises(ValueError):  # noqa: PT011  its message is Python's own
            of_text(text, NETWORK_OF_TWO)


def test_what_is_in_the_folder_counts(tmp_path: Path) -> None:
    """Not what the CSV file says of the same training; other lines stay."""
    other = FinalResult(SearchKey("small", "random", 1, 1), 0, WINNER, CELL.metrics)
    write(tmp_path, CELL, other)
    WINNER.write(CELL.key.file(tmp_path))
    folder = CELL.key.final_folder(tmp_path, WINNER.structure, 0)
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps({"test": dict.fromkeys(METRICS, 60.0)}))
    first, second = read_final_results(tmp_path)
    assert first == other
    assert (second.key, second.mean) == (CELL.key, 60.0)


def test_a_search_that_finds_what_another_found_shares_its_trainings(tmp_path: Path) -> None:
    """Also where those are only in the CSV file: they are not trained again."""
    write(tmp_path, CELL)
    key = SearchKey("small", "genetic", 2, 0)
    winner = SearchResult(WINNER.structure, 30, 2.0)
    winner.write(key.file(tmp_path))
    SearchResult(WINNER.structure, 30, 2.0).write(SearchKey("small", "genetic", 1, 0).file(tmp_path))  # other split
    assert read_final_results(tmp_path) == [FinalResult(key, 0, winner, CELL.metrics), CELL]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("50.0", "high"),
        ("50.0", "101"),
        ("50.0", "nan"),
        ("1 2 4", "1 2"),
        ("1 2 4", "1 2 x"),
        ("1 2 4", "1 2 -1"),
        ("small,random,2", "small,random,two"),
        (",50.0,50.0", ""),
        ("edit,", "other,"),
        ("20,1.5", "twenty,1.5"),
    ],
)
def test_a_damaged_line_is_refused(tmp_path: Path, old: str, new: str) -> None:
    path = write(tmp_path, CELL)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(BadInput, match=r"trainings\.csv: line 2: not a final training"):
        read_final_results(tmp_path)


def test_comparisons_of_earlier_versions_are_read(tmp_path: Path) -> None:
    """Their rules name the size of an MS-TCN."""
    write(tmp_path, CELL)
    (tmp_path / "rules.json").write_text(json.dumps({"num_stages": 2, "num_layers": 3, "budget": 60}))
    assert read_final_results(tmp_path) == [CELL]
    rules = {"network": NETWORK.to_json(), "budget": 60}
    assert read_rules(tmp_path) == rules
    write_rules(tmp_path, rules)
    assert json.loads((tmp_path / "rules.json").read_text()) == rules
    with pytest.raises(BadInput, match="other settings"):
        write_rules(tmp_path, {**rules, "network": find_network("causal-ms-tcn:stages=2,layers=3").to_json()})


def test_the_published_comparison_is_read() -> None:
    finals = read_final_results(REPOSITORY / "docs" / "search_quality")
    assert {final.search.structure.network for final in finals} == {find_network("ms-tcn")}
    assert len(finals) > 100


@pytest.mark.parametrize(
    "rules", ["[]", "{}", '{"num_stages": 2}', '{"network": "ms-tcn"}', '{"network": {"stages": 2}}']
)
def test_damaged_rules_are_refused(tmp_path: Path, rules: str) -> None:
    write(tmp_path, CELL)
    (tmp_path / "rules.json").write_text(rules)
    with pytest.raises(BadInput, match=r"rules\.json: damaged"):
        read_final_results(tmp_path)
