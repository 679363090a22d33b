from __future__ import annotations

import csv
import json
import sys
from math import sqrt
from pathlib import Path

import pytest

from common.bad_input import BadInput
from nas_space.networks import find_network
from studies.search_quality.bars import all_differences, closing_lines, closing_table, main
from tests.studies.search_quality.test_pooled import final, write

# Two sets of two splits, hand is at 50 everywhere.
TEST = [
    *(final(dataset, "hand", split, 50.0) for dataset in ("hmr", "mozart") for split in (1, 2)),
    # Differences 3, 5 and 1, 3: means 4 and 2, standard errors 1 and 1, pooled 3 and sqrt(2) / 2.
    *(final("hmr", "differentiable", split, value) for split, value in ((1, 53.0), (2, 55.0))),
    *(final("mozart", "differentiable", split, value) for split, value in ((1, 51.0), (2, 53.0))),
    # As good as hand but for noise: 1 and -1, whose standard error is 1.
    *(final("hmr", "differentiable-eighth", split, value) for split, value in ((1, 51.0), (2, 49.0))),
    # The better pattern is the even one, at 46 and 48.
    *(final("hmr", "cut-eighth", split, 40.0) for split in (1, 2)),
    *(final("hmr", "even-eighth", split, value) for split, value in ((1, 46.0), (2, 48.0))),
]
# On mozart the choice is hand, so that nothing is lost and nothing gained there.
VALIDATION = [
    *(final(dataset, "hand", split, 60.0) for dataset in ("hmr", "mozart") for split in (1, 2)),
    *(final("hmr", "differentiable", split, value) for split, value in ((1, 59.0), (2, 62.0))),
    *(final("mozart", "differentiable", split, value) for split, value in ((1, 61.0), (2, 58.0))),
]


def test_each_claim_has_its_differences() -> None:
    assert all_differences(TEST, VALIDATION) == {
        "accuracy": {"hmr": [3.0, 5.0], "mozart": [1.0, 3.0]},
        "context": {"hmr": [1.0, -1.0]},
        "scaling": {"hmr": [5.0, 1.0]},
        "far": {"hmr": [3.0, 5.0], "mozart": [1.0, 3.0]},
        "layers": {},
        "choice": {"hmr": [3.0, 5.0], "mozart": [0.0, 0.0]},
    }


def test_claims_hold_by_their_margins() -> None:
    lines = closing_lines(all_differences(TEST, VALIDATION), "ms-tcn")
    pooled = [line for claim, line in lines if claim == "accuracy"][-1]
    assert pooled.difference == 3.0
    assert pooled.standard_error == pytest.approx(sqrt(2) / 2, rel=0.02)
    by_claim = [block.splitlines() for block in closing_table(lines).split("\n\n")]
    assert [[line.split()[-1] for line in block[1:]] for block in by_claim] == [
        ["holds", "hold", "holds"],  # 4 - 2, 2 - 2 and 3 - 1.4 are to be above 0
        ["hold"],  # 0 - 1.645 is below -1
        ["hold"],  # 3 - 2 x 2 is below 0
        ["holds", "hold", "holds"],
        ["measured"],
        ["holds", "holds", "holds"],
    ]
    assert by_claim[4][1] == "  not measured"


def test_one_split_has_no_error() -> None:
    one = [final("a", "hand", 1, 50.0), final("a", "differentiable", 1, 60.0)]
    table = closing_table(closing_lines(all_differences(one, one), "ms-tcn"))
    assert table.count("+10.00           one split: no standard error") == 1
    assert "+10.00           holds" in table  # by choice, whose margin has no error


def test_folders_are_told_apart_by_what_they_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    test, choice = write(tmp_path / "test", TEST), write(tmp_path / "choice", VALIDATION)
    rules = json.loads((choice / "rules.json").read_text())
    (choice / "rules.json").write_text(json.dumps({**rules, "score_on": "validation"}))
    table = tmp_path / "bars.csv"
    monkeypatch.setattr(sys, "argv", ["bars", str(choice), str(test), "--output", str(table)])
    main()
    lines = closing_lines(all_differences(TEST, VALIDATION), "ms-tcn")
    assert capsys.readouterr().out == closing_table(lines) + "\n"
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["claim"] for row in rows] == [claim for claim, _ in lines]
    assert rows[0] == {
        "claim": "accuracy",
        "dataset": "hmr",
        "splits": "2",
        "difference": "4.0",
        "standard_error": str(lines[0][1].standard_error),
        "holds": "True",
    }


def test_networks_are_not_pooled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = find_network("ms-tcn++:prediction=2,refinements=1,layers=2")
    folders = write(tmp_path / "a", TEST), write(tmp_path / "b", [final("b", "hand", 1, 1.0, network=other)], other)
    monkeypatch.setattr(sys, "argv", ["bars", *map(str, folders)])
    with pytest.raises(BadInput, match="different networks"):
        main()
