"""What becomes of the cache when feature files change or are touched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.bad_input import BadInput
from tests.trials.data.feature_cache.conftest import DIM, VIDEOS, change, from_files, no_reading, packed_file, read_all
from trials.data.dataset import Dataset
from trials.data.feature_cache.cache import FeatureCache
from trials.data.feature_files import FeatureFiles


def test_a_changed_file_is_noticed(dataset: Dataset, folder: Path, cache: Path) -> None:
    before = read_all(dataset)
    change(folder / "features" / "p01-1.npy")
    with pytest.warns(UserWarning, match=r"\.features: .*p01-1\.npy has changed; it is packed again$") as warned:
        after = read_all(replace(dataset))
    assert len(warned) == 1
    assert after == from_files(folder) != before
    assert read_all(dataset) == after
    assert packed_file(cache).exists()


def test_a_running_trial_keeps_what_it_opened(dataset: Dataset, folder: Path) -> None:
    before = read_all(dataset)
    np.save(folder / "features" / "p00-1.npy", np.zeros((DIM, 50), np.float32))
    other = Dataset(folder, cache_folder=dataset.cache_folder)
    with pytest.warns(UserWarning, match="has changed"):
        other.features("p00-1")
    assert [dataset.features(video)[0].ravel().tolist() for video in VIDEOS] == before


def test_a_file_that_changes_while_it_is_packed_is_refused(
    dataset: Dataset, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = FeatureFiles.read

    def watched(files: FeatureFiles, video: str) -> Any:
        result = read(files, video)
        change(folder / "features" / f"{video}.npy")
        return result

    monkeypatch.setattr(FeatureFiles, "read", watched)
    with pytest.raises(BadInput, match=r"just packed, but .*p00-1\.npy has changed; .*--no-cache$"):
        dataset.check(VIDEOS)


@pytest.fixture
def no_packing(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let nothing be packed from now on."""
    return lambda: monkeypatch.setattr(FeatureCache, "_build", lambda *_: pytest.fail("packed again"))


def overwrite_in_place(path: Path) -> None:
    """Other values of the same size; the time of the last change is put back."""
    before = path.stat()
    features = np.load(path, mmap_mode="r+")
    features[:] = 0
    features.flush()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    now = path.stat()
    assert (now.st_size, now.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def test_other_values_of_the_same_size_and_time_are_noticed(dataset: Dataset, folder: Path) -> None:
    before = read_all(dataset)
    overwrite_in_place(folder / "features" / "p01-1.npy")
    with pytest.warns(UserWarning, match=r"p01-1\.npy has changed; it is packed again$"):
        after = read_all(replace(dataset))
    assert after == from_files(folder) != before


def copy(path: Path) -> None:
    shutil.copyfile(path, path.with_suffix(".copy"))
    path.with_suffix(".copy").rename(path)


TOUCHES: dict[str, Callable[[Path], object]] = {
    "times": lambda path: os.utime(path, ns=(0, 0)),
    "mode": lambda path: path.chmod(0o600),
    "link": lambda path: path.with_suffix(".other").hardlink_to(path),
    "copy": copy,
}


@pytest.mark.parametrize("touch", TOUCHES.values(), ids=TOUCHES)
def test_the_same_content_is_not_packed_again_and_compared_once(
    touch: Callable[[Path], object],
    dataset: Dataset,
    folder: Path,
    cache: Path,
    no_packing: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
) -> None:
    before = read_all(dataset)
    packed = packed_file(cache).stat()
    no_packing()
    for video in VIDEOS[:2]:
        touch(folder / "features" / f"{video}.npy")
    capsys.readouterr()
    assert read_all(replace(dataset)) == before
    assert capsys.readouterr().err == f"feature cache: comparing 2 feature files with {packed_file(cache)}\n"
    assert packed_file(cache).stat() == packed
    no_reading(monkeypatch)
    assert read_all(replace(dataset)) == before
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("text", [None, "", "[]", '{"packed": 0, "files": {}}'])
def test_a_cache_without_what_was_seen_is_compared(
    text: str | None, dataset: Dataset, cache: Path, no_packing: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of earlier versions are, which took note of size and time of change only."""
    before = read_all(dataset)
    no_packing()
    path = packed_file(cache).with_suffix(".seen")
    path.unlink() if text is None else path.write_text(text)
    assert read_all(replace(dataset)) == before
    no_reading(monkeypatch)
    assert read_all(replace(dataset)) == before


def test_a_faulty_file_is_refused_rather_than_packed(dataset: Dataset, folder: Path) -> None:
    read_all(dataset)
    path = folder / "features" / "p01-1.npy"
    features = np.load(path)
    features[0, 0] = np.nan
    np.save(path, features)
    with pytest.raises(ValueError, match=r"p01-1\.npy: NaN or infinity"):
        read_all(replace(dataset))


def test_only_what_was_touched_is_read(dataset: Dataset, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_all(dataset)
    os.utime(folder / "features" / "p01-1.npy", ns=(0, 0))
    read, seen = FeatureFiles.read, []

    def watched(files: FeatureFiles, video: str) -> Any:
        seen.append(video)
        return read(files, video)

    monkeypatch.setattr(FeatureFiles, "read", watched)
    read_all(replace(dataset))
    assert seen == ["p01-1"]
