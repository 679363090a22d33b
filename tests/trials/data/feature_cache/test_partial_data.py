from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common.bad_input import BadInput
from tests.trials.data.feature_cache.conftest import DIM, VIDEOS, change, from_files, no_reading, read_all
from trials.data.dataset import Dataset


def test_files_of_other_splits_may_be_missing_until_they_are_asked_for(folder: Path, cache: Path) -> None:
    missing = folder / "features" / "p02-2.npy"
    content = missing.read_bytes()
    missing.unlink()
    (folder / "splits" / "test.split2.bundle").unlink()
    dataset = Dataset(folder, cache_folder=cache)
    dataset.check(VIDEOS[:5])
    missing.write_bytes(content)
    with pytest.warns(UserWarning, match=r"video 'p02-2' is not in it; it is packed again$"):
        assert read_all(Dataset(folder, cache_folder=cache)) == from_files(folder)


@pytest.mark.parametrize("fault", ["NaN or infinity", "not a numpy array file"])
def test_faults_of_other_splits_are_told_when_they_are_asked_for(
    folder: Path, cache: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "features" / "p02-2.npy"
    if "NaN" in fault:
        change(path, np.nan)
    else:
        path.write_text("damaged")
    dataset = Dataset(folder, cache_folder=cache)
    dataset.check(VIDEOS[:5])
    with pytest.raises(BadInput, match=rf"p02-2\.npy: {fault}"), pytest.warns(UserWarning, match="not in it"):
        dataset.features("p02-2")
    no_reading(monkeypatch)
    Dataset(folder, cache_folder=cache).check(VIDEOS[:5])  # what was packed is still there


def test_other_channels_are_refused_as_without_a_cache(folder: Path, cache: Path) -> None:
    np.save(folder / "features" / "p00-2.npy", np.load(folder / "features" / "p00-2.npy")[:5])
    for place in (None, cache, cache):
        dataset = Dataset(folder, cache_folder=place)
        with pytest.raises(BadInput, match=r"p00-2\.npy: 5 channels, but 6 are expected"):
            dataset.check(VIDEOS, DIM)
        assert dataset.load("p00-2").features.shape[1] == 5


@pytest.mark.parametrize(("name", "fault"), [("p00-2", r"NaN or infinity \(channel 0, frame 0\)"), ("p02-2", "NaN")])
def test_values_are_checked_when_they_are_packed(folder: Path, cache: Path, name: str, fault: str) -> None:
    change(folder / "features" / f"{name}.npy", np.nan)
    with pytest.raises(BadInput, match=rf"{name}\.npy: {fault}"):
        Dataset(folder, cache_folder=cache).check(VIDEOS, DIM)
    assert {path.suffix for path in cache.iterdir()} == {".lock"}


def test_a_video_without_features_is_refused_by_name(dataset: Dataset, folder: Path) -> None:
    dataset.check(VIDEOS)
    (folder / "features" / "p00-2.npy").unlink()
    assert len(dataset.load("p00-1").labels)
    with pytest.raises(BadInput, match=r"p00-2\.npy: no such feature file$"):
        replace(dataset).features("p00-2")
