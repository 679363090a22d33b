from __future__ import annotations

import sys
from pathlib import Path

import pytest

from common.bad_input import BadInput
from studies.scale import population
from studies.scale.population import LABELS, main, score_of, search


def test_scores_by_hand() -> None:
    hidden = dict.fromkeys(LABELS, 1)
    assert score_of(hidden, hidden) == 100
    assert score_of(dict.fromkeys(LABELS, 1024), hidden) == 0
    # One layer of 40 is half as far off as the space allows.
    assert score_of({**hidden, LABELS[0]: 32}, hidden) == pytest.approx(100 * (1 - 0.5 / 40))


def test_workers_and_populations_sample_first() -> None:
    one = search(workers=1, population=5, budget=40, seed=0)
    assert one.sampled == 5
    many = search(workers=20, population=5, budget=40, seed=0)
    # With 20 at work, the first results come after 20 proposals; two of them are enough for a child.
    assert many.sampled in (21, 22)
    assert many.depth < one.depth


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(population, "CASES", ((1, 3), (4, 3)))
    monkeypatch.setattr(population, "number", lambda *_: 12)
    monkeypatch.setattr(sys, "argv", ["command", "--seeds", "2", "--output", str(tmp_path)])
    main()
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[:2] for line in lines[1:]] == [["1", "3"], ["4", "3"]]
    rows = [row.split(",") for row in (tmp_path / "population.csv").read_text().splitlines()]
    assert rows[0] == ["workers", "population", "score", "standard_error", "sampled", "depth"]
    assert [row[0] for row in rows[1:]] == ["1", "4"]
    monkeypatch.setattr(sys, "argv", ["command", "--seeds", "1"])
    with pytest.raises(BadInput, match="at least 2"):
        main()
