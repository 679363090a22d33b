"""A short local search on a small data set."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import write_dataset
from tests.trials.conftest import TINY
from trials import local_search

ITERATIONS = 3


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """An iteration takes a second, so that equal searches write equal files."""
    monkeypatch.setattr(local_search, "time", SimpleNamespace(monotonic=count().__next__))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight videos to train and validate on; two are held out."""
    return write_dataset(tmp_path / "data" / "small", train=8, test=2)


@pytest.fixture
def words(folder: Path, tmp_path: Path) -> list[object]:
    data = ("--data-root", folder.parent, "--dataset", "small", "--split", 1)
    schedule = ("--epochs", 1, "--iterations", ITERATIONS, "--learning-rate", 0.05)
    branches = ("--expand-rate", 0.5, "--max-dilation", 32)
    return [*data, *TINY, *schedule, *branches, "--structure", "hand", "--output", tmp_path / "out"]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out"


def local(output: Path) -> dict[str, Any]:
    return json.loads((output / "local.json").read_text())
