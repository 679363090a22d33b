from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.trials.data.feature_cache.conftest import DIM, VIDEOS, from_files, no_reading, packed_file, read_all
from trials.data.dataset import Dataset


def test_feature_files_are_read_once(dataset: Dataset, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = from_files(folder)
    dataset.check(VIDEOS)
    no_reading(monkeypatch)
    assert read_all(dataset) == read_all(replace(dataset)) == expected


def test_nothing_stays_mapped(dataset: Dataset, cache: Path) -> None:
    def mapped() -> bool:
        return packed_file(cache).name in Path("/proc/self/maps").read_text()

    dataset.check(VIDEOS)
    video = dataset.load("p00-1")
    assert mapped()
    del video
    assert not mapped()


def test_splits_share_one_file(folder: Path, dataset: Dataset, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(folder / "features" / "of no split.npy", np.zeros((DIM, 99999)))
    train_videos, _ = dataset.split(1)
    dataset.check(train_videos)
    no_reading(monkeypatch)
    assert packed_file(cache).stat().st_size < 99999
    read_all(replace(dataset))


def test_a_link_to_the_data_shares_the_file(
    dataset: Dataset, folder: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset.check(VIDEOS)
    (tmp_path / "link").symlink_to(folder)
    no_reading(monkeypatch)
    read_all(Dataset(tmp_path / "link", cache_folder=cache))


def test_other_settings_never_share_a_file(folder: Path, tmp_path: Path, cache: Path) -> None:
    shutil.copytree(folder, tmp_path / "other" / "small")
    datasets = [
        Dataset(place, rate, dtype, cache)
        for place in (folder, tmp_path / "other" / "small")
        for rate in (1, 2)
        for dtype in ("float32", "float16")
    ]
    for dataset in datasets:
        dataset.check(VIDEOS)
    assert len(list(cache.glob("*.features"))) == len(datasets)
    assert all(read_all(dataset) == read_all(replace(dataset, cache_folder=None)) for dataset in datasets)
