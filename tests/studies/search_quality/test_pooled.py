from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from math import sqrt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.comparison import Comparison
from common.bad_input import BadInput, run_command
from nas_space.network import Network
from nas_space.networks import find_network
from nas_space.structure import Structure
from studies.search_quality.final_results import TABLE, FinalResult
from studies.search_quality.pooled import POOLED, Line, bootstrap, main, pooled_lines, read_by_network, text_table
from studies.search_quality.search import SearchKey, SearchResult
from tests.conftest import REPOSITORY
from tests.studies.search_quality.conftest import NETWORK
from trials.table import csv_text
from trials.training.metrics import METRICS

DOCS = REPOSITORY / "docs"
PP = find_network("ms-tcn++:prediction=2,refinements=1,layers=2")


def final(
    dataset: str, strategy: str, split: int, value: float, seed: int = 0, network: Network = NETWORK
) -> FinalResult:
    """Each search has found a structure of its own: equal ones would share their trainings."""
    first, *others = Structure.hand(network).dilations
    search = SearchResult(Structure((first + len(strategy) + seed, *others), network), 0, 0.0)
    return FinalResult(SearchKey(dataset, strategy, split, seed), 0, search, dict.fromkeys(METRICS, value))


# On "a" genetic is better by 2 and 4 (the mean of two searches), on "b" by 1, 1 and 4; random is on "a" only.
FINALS = [
    *(final("a", "hand", split, 50.0) for split in (1, 2)),
    *(final("b", "hand", split, 70.0) for split in (1, 2, 3)),
    *(final("a", "genetic", split, value, seed) for split, value, seed in ((1, 52.0, 0), (2, 53.0, 0), (2, 55.0, 1))),
    *(final("b", "genetic", split, value) for split, value in ((1, 71.0), (2, 71.0), (3, 74.0))),
    final("a", "random", 1, 49.0),
]


def write(folder: Path, finals: Sequence[FinalResult], network: Network = NETWORK) -> Path:
    folder.mkdir()
    (folder / "rules.json").write_text(json.dumps({"network": network.to_json()}))
    if finals:
        (folder / TABLE).write_text(csv_text([one.describe() for one in finals]))
    return folder


def by_dataset(lines: Sequence[Line], strategy: str) -> Mapping[str, Line]:
    return {line.dataset: line for line in lines if line.strategy == strategy}


def test_each_set_has_a_line_and_all_weigh_the_same_in_the_pooled_one() -> None:
    lines = pooled_lines({"net": FINALS})
    genetic = by_dataset(lines, "genetic")
    # Means 3 and 2. Deviations sqrt(2) and sqrt(3), over the roots of 2 and 3 splits: 1 and 1.
    assert genetic["a"] == Line("net", "genetic", "a", 1, 2, 3.0, 1.0)
    assert (genetic["b"].sets, genetic["b"].splits, genetic["b"].difference) == (1, 3, 2.0)
    assert genetic["b"].standard_error == pytest.approx(1.0)
    assert genetic["b"].interval is None
    pooled = genetic[POOLED]
    assert (pooled.sets, pooled.splits, pooled.difference) == (2, 5, 2.5)
    assert pooled.standard_error == pytest.approx(sqrt(1 + 1) / 2, rel=0.02)
    # Of "a" one split is sampled, 2 or 4; of "b" two: mean 1 (4 of 9), 2.5 (4 of 9) or 4 (1 of 9). So the pooled
    # mean is at least 1.5 (2 of 9) and at most 4 (1 of 18): each is more probable than 0.025.
    assert pooled.interval == (1.5, 4.0)
    assert [line.beyond_two_errors for line in genetic.values()] == ["better", "no", "better"]
    # One split: no spread. One set: nothing to pool.
    assert by_dataset(lines, "random") == {"a": Line("net", "random", "a", 1, 1, -1.0, None)}
    assert by_dataset(lines, "hand") == {}


def test_against_another_baseline() -> None:
    lines = pooled_lines({"net": [one for one in FINALS if one.key.dataset == "a"]}, ["hand", "genetic"], "random")
    assert [(line.strategy, line.difference) for line in lines] == [("hand", 1.0), ("genetic", 3.0)]


def test_one_split_leaves_the_pooled_error_unknown() -> None:
    line = Line.of("net", "ours", {"a": [1.0, 3.0], "b": [4.0]})
    assert line == Line("net", "ours", POOLED, 2, 3, 3.0, None)
    assert line.beyond_two_errors == ""


@pytest.mark.parametrize(
    ("difference", "error", "verdict"),
    [
        (2.1, 1.0, "better"),
        (2.0, 1.0, "no"),
        (-2.0, 1.0, "no"),
        (-2.1, 1.0, "worse"),
        (0.0, 0.0, "no"),
        (0.1, 0.0, "better"),
    ],
)
def test_beyond_two_errors(difference: float, error: float, verdict: str) -> None:
    assert Line("net", "ours", "a", 1, 5, difference, error).beyond_two_errors == verdict


differences = st.lists(st.floats(-10, 10), min_size=2, max_size=6)


@given(differences)
def test_pooling_one_set_gives_the_line_of_that_set(splits: list[float]) -> None:
    alone = Comparison.of(splits)
    line = Line.of("net", "ours", {"a": splits})
    assert line == Line("net", "ours", "a", 1, len(splits), alone.difference, alone.standard_error)
    error, interval = bootstrap([splits])
    assert error == pytest.approx(alone.standard_error, rel=0.05, abs=1e-9)
    assert interval is not None
    assert min(splits) - 1e-9 <= interval[0] <= interval[1] <= max(splits) + 1e-9


@given(st.lists(differences, min_size=2, max_size=4))
def test_the_bootstrap_has_the_analytic_standard_error(sets: list[list[float]]) -> None:
    line = Line.of("net", "ours", {str(number): splits for number, splits in enumerate(sets)})
    errors = [Comparison.of(splits).standard_error or 0.0 for splits in sets]
    assert line.standard_error == pytest.approx(sqrt(sum(error**2 for error in errors)) / len(sets), rel=0.05, abs=1e-9)
    assert line.difference == pytest.approx(sum(sum(splits) / len(splits) for splits in sets) / len(sets), abs=1e-9)


def test_networks_are_not_pooled(tmp_path: Path) -> None:
    other = [
        final("a", name, split, 60.0 + split * len(name), network=PP)
        for name in ("hand", "genetic")
        for split in (1, 2)
    ]
    folders = [write(tmp_path / "one", FINALS), write(tmp_path / "two", other, PP)]
    lines = pooled_lines(read_by_network(folders), ["genetic"])
    assert [(line.network, line.dataset) for line in lines] == [
        *((str(NETWORK), dataset) for dataset in ("a", "b", POOLED)),
        (str(PP), "a"),
    ]
    assert lines[2].difference == 2.5
    assert lines[3].difference == 4.5  # 3 and 6


def test_sets_of_several_folders_are_pooled(tmp_path: Path) -> None:
    folders = [write(tmp_path / name, [one for one in FINALS if one.key.dataset == name]) for name in ("a", "b")]
    assert pooled_lines(read_by_network(folders)) == pooled_lines({str(NETWORK): FINALS})


def test_what_cannot_be_pooled_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "all", FINALS)
    with pytest.raises(BadInput, match=r"all: has a with ms-tcn:stages=2,layers=3, as .*all has: name only one"):
        read_by_network([folder, folder])
    with pytest.raises(BadInput, match="empty: no result"):
        read_by_network([write(tmp_path / "empty", [])])
    with pytest.raises(BadInput, match=r"--against random: not trained on b \(net\)"):
        pooled_lines({"net": FINALS}, against="random")
    with pytest.raises(BadInput, match="--strategy tpe: not compared with hand yet; there are random; genetic"):
        pooled_lines({"net": FINALS}, ["tpe"])
    with pytest.raises(BadInput, match="--against hand: there is nothing to compare"):
        pooled_lines({"net": FINALS[:2]})


@pytest.mark.parametrize("choice_first", [True, False])
def test_what_was_scored_on_validation_videos_is_refused(
    choice_first: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [DOCS / "search_quality", DOCS / "search_quality_mozart_choice"]
    words = [*map(str, sorted(folders, reverse=choice_first)), "--output", str(tmp_path / "pooled.csv")]
    monkeypatch.setattr(sys, "argv", ["pooled", *words])
    with pytest.raises(SystemExit, match="2"):
        run_command(main)
    assert capsys.readouterr() == (
        "",
        f"error: {folders[1]}: scored on validation videos, which only the claim of a choice needs: give it to "
        "studies.search_quality.bars, and leave it out here\n",
    )
    assert not (tmp_path / "pooled.csv").exists()


def test_the_text_says_what_was_pooled_and_how() -> None:
    head, *lines = text_table(pooled_lines({"net": FINALS}, ["genetic", "random"]), "hand").splitlines()
    assert head.split("  ")[0] == "network"
    assert lines[0].split() == ["net", "random", "a", "1", "-1.00"]
    pooled = "net  genetic (pooled over 2 sets) 5 +2.50 0.71 +1.50 to +4.00 better"
    assert " ".join(lines[3].split()) == " ".join(pooled.split())
    assert "n - 1 are sampled with replacement" in " ".join(lines)


def test_the_published_table_is_what_the_command_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Figures to twelve digits: another processor may round sums otherwise."""
    folders = [DOCS / "search_quality", DOCS / "search_quality_ms_tcn_pp"]
    monkeypatch.setattr(sys, "argv", ["pooled", *map(str, folders), "--output", str(tmp_path / "pooled.csv")])
    main()
    written, published = (read(folder / "pooled.csv") for folder in (tmp_path, folders[0]))
    assert written == published
    assert "(pooled over 2 sets)" in capsys.readouterr().out


def read(path: Path) -> list[list[str | float]]:
    return [[number(cell) for cell in line.split(",")] for line in path.read_text().splitlines()]


def number(cell: str) -> str | float:
    try:
        return float(f"{float(cell):.12g}")
    except ValueError:
        return cell
