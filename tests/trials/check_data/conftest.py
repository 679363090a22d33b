"""A data set in order, its files, and the faults that a check names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import write_dataset


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Twelve training and four test videos, all in order."""
    return write_dataset(tmp_path / "data" / "mine", train=12, test=4)


def faults(err: str) -> list[str]:
    return [line.removeprefix("fault: ") for line in err.splitlines() if line.startswith("fault: ")]


def features(folder: Path, video: str) -> Path:
    return folder / "features" / f"{video}.npy"


def labels(folder: Path, video: str) -> Path:
    return folder / "groundTruth" / f"{video}.txt"


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)
