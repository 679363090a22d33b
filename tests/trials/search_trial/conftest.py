"""A data set, and the command line of a short trial on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import write_dataset
from tests.trials.conftest import TINY, TINY_STRUCTURE

EPOCHS = 3
LABELS = TINY_STRUCTURE.by_label()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight videos of four persons to train and validate on, four to test on."""
    return write_dataset(tmp_path / "data" / "small", train=8, test=4)


@pytest.fixture
def words(folder: Path) -> list[object]:
    data = ("--data-root", folder.parent, "--dataset", "small", "--split", 1)
    return [*data, *TINY, "--epochs", EPOCHS, "--learning-rate", 0.005]


def bundle(folder: Path, part: str) -> set[str]:
    return {line.removesuffix(".txt") for line in (folder / "splits" / f"{part}.split1.bundle").read_text().split()}
