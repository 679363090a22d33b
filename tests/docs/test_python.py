"""The page about Python runs as it is, and the notebook is the same code with its output."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY

PAGE, NOTEBOOK = REPOSITORY / "docs" / "python.md", REPOSITORY / "docs" / "python.ipynb"
QUICK = {"train=32, test=24": "train=4, test=2", "epochs=60": "epochs=1", "stages=2,layers=5": "stages=1,layers=2"}


def cells() -> list[dict[str, Any]]:
    return [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """On fewer videos, for an epoch each, and again: then nothing is trained."""
    monkeypatch.chdir(tmp_path)
    sources = ["".join(cell["source"]) for cell in cells()]
    code = "\n".join(sources)
    for usual, quick in QUICK.items():
        assert usual in code
        code = code.replace(usual, quick)
    exec(compile(code, str(NOTEBOOK), "exec"), {})
    *trained, scored = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in trained] == ["hand", "found"]
    assert trained[1].endswith(scored)  # predicted again, the scores are those of the final training
    assert {"model.pt", "metrics.json"} <= {path.name for path in (tmp_path / "runs" / "python" / "found").iterdir()}
    exec(compile(code, str(NOTEBOOK), "exec"), {})
    again = capsys.readouterr()
    assert again.out.splitlines() == [*trained, scored]
    assert again.err.count("already trained") == 2


def test_the_page_has_the_code_of_the_notebook() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert ["".join(cell["source"]) + "\n" for cell in cells()] == blocks


def test_the_notebook_shows_what_it_printed() -> None:
    searched, scored = ("".join(cell["outputs"][0]["text"]) for cell in cells())
    assert [line.split()[0] for line in searched.splitlines()] == ["hand", "found"]
    assert searched.splitlines()[1].endswith(scored.strip())
