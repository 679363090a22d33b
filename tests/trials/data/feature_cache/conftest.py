"""A data set of six videos, and a feature cache of it."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import write_dataset
from tests.trials.conftest import TINY
from trials.data.dataset import Dataset
from trials.data.feature_files import FeatureFiles

CPU = torch.device("cpu")
DIM = 6
VIDEOS = ["p00-1", "p00-2", "p01-1", "p01-2", "p02-1", "p02-2"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Videos p00-1 to p02-2 in two splits: the test videos of the first are p02-1 and p02-2."""
    return write_dataset(tmp_path / "data" / "small", dim=DIM, splits=2)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def dataset(folder: Path, cache: Path) -> Dataset:
    """The data set, read from a cache that is not built yet."""
    return Dataset(folder, cache_folder=cache)


@pytest.fixture
def words(folder: Path, tmp_path: Path) -> list[object]:
    """A training of one epoch."""
    data = ("--data-root", folder.parent, "--dataset", "small", "--split", 1)
    return [*data, *TINY, "--structure", "hand", "--epochs", 1, "--output", tmp_path / "out"]


def packed_file(cache: Path) -> Path:
    """The one packed file of a cache folder, in which nothing but its lock is besides."""
    (path,) = cache.glob("*.features")
    assert {file.suffix for file in cache.iterdir()} <= {".features", ".lock", ".seen"}
    return path


def read_all(dataset: Dataset) -> list[list[float]]:
    """The values of all videos as they are read after a check, as a trial does."""
    dataset.check(VIDEOS, DIM)
    return [dataset.features(video)[0].ravel().tolist() for video in VIDEOS]


def from_files(folder: Path) -> list[list[float]]:
    return read_all(Dataset(folder))


def no_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FeatureFiles, "read", lambda *_: pytest.fail("a feature file is read"))


def change(path: Path, value: float = 0.25) -> None:
    """Another value in a feature file of the same size."""
    features = np.load(path)
    features[0, 0] = value
    time.sleep(0.01)  # the clock of a file system may be coarse
    np.save(path, features)
