"""What becomes of a cache that is damaged, touched, removed, or cannot be written to."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest

from common.bad_input import BadInput
from tests.trials.conftest import Boom
from tests.trials.data.feature_cache.conftest import VIDEOS, from_files, no_reading, packed_file, read_all
from trials.data.dataset import Dataset
from trials.data.feature_cache.cache import FeatureCache
from trials.data.feature_cache.packed import END, PackedFeatures


def cut(size: int) -> Callable[[Path], None]:
    return lambda path: os.truncate(path, size if size >= 0 else path.stat().st_size + size)


def flip(place: int) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[place] ^= 64
        path.write_bytes(content)

    return damage


def index(content: bytes) -> Callable[[Path], None]:
    """Another index, with the right checksum."""

    def damage(path: Path) -> None:
        length, _ = END.unpack(path.read_bytes()[-END.size :])
        features = path.read_bytes()[: -END.size - length]
        path.write_bytes(features + content + END.pack(len(content), zlib.crc32(content)))

    return damage


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": cut(0),
    "very short": cut(5),
    "half": cut(1000),
    "the end is missing": cut(-1),
    "more at the end": lambda path: path.write_bytes(path.read_bytes() + b"more"),
    "something else": lambda path: path.write_bytes(b"\xff" * 2000),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "in the index": flip(-100),
    "in the length of the index": flip(-12),
    "in the checksum of the index": flip(-1),
    "in the first video": flip(3),
    "in a later video": flip(2000),
    "no JSON in the index": index(b"index"),
    "no videos in the index": index(b"[1]"),
    "texts in the index": index(b'{"p00-1": ["1", "1", "1", "1", "1", "1", "1"]}'),
    "fewer numbers in the index": index(b'{"p00-1": [1, 2, 3]}'),
    "a deep index": index(b"[" * 100_000),
    "a pickle": lambda path: path.write_bytes(pickle.dumps(Boom(path.with_name("made")))),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damage_is_noticed_and_repaired(
    dataset: Dataset,
    folder: Path,
    cache: Path,
    damage: Callable[[Path], object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = from_files(folder)
    read_all(dataset)
    whole = packed_file(cache).read_bytes()
    damage(packed_file(cache))
    assert packed_file(cache).read_bytes() != whole
    with pytest.warns(UserWarning, match=r"\.features: damaged; it is packed again$") as warned:
        assert read_all(Dataset(folder, cache_folder=cache)) == expected
    assert len(warned) == 1
    assert not (cache / "made").exists()
    no_reading(monkeypatch)
    assert read_all(Dataset(folder, cache_folder=cache)) == expected


def test_a_pipe_for_a_cache_is_not_waited_for(dataset: Dataset, folder: Path, cache: Path) -> None:
    read_all(dataset)
    path = packed_file(cache)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(BadInput, match=rf"^{path}: .*name another folder with --cache"):
        read_all(Dataset(folder, cache_folder=cache))


def test_links_in_a_circle_are_refused(dataset: Dataset, folder: Path) -> None:
    (folder / "features").rename(folder / "elsewhere")
    (folder / "features").symlink_to("features")
    with pytest.raises(BadInput, match=r"p00-1\.npy: cannot be read: Too many levels of symbolic links"):
        dataset.load(VIDEOS[0])


@pytest.mark.parametrize("name", ["half", "in a later video"])
def test_damage_after_the_check_is_noticed(dataset: Dataset, folder: Path, cache: Path, name: str) -> None:
    dataset.check(VIDEOS)
    DAMAGES[name](packed_file(cache))
    with pytest.warns(UserWarning, match="damaged; it is packed again"):
        assert [dataset.features(video)[0].ravel().tolist() for video in VIDEOS] == from_files(folder)


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The videos whose checksums are compared from now on."""
    is_intact, videos = PackedFeatures.is_intact, []

    def watched(packed: PackedFeatures, video: str) -> bool:
        videos.append(video)
        return is_intact(packed, video)

    monkeypatch.setattr(PackedFeatures, "is_intact", watched)
    return videos


def test_checksums_are_compared_once(dataset: Dataset, checked: list[str]) -> None:
    read_all(dataset)
    assert checked == VIDEOS
    read_all(replace(dataset))
    assert checked == VIDEOS


def test_a_cache_that_was_touched_is_compared_again(dataset: Dataset, cache: Path, checked: list[str]) -> None:
    before = read_all(dataset)
    os.utime(packed_file(cache), ns=(0, 0))
    assert read_all(replace(dataset)) == read_all(replace(dataset)) == before
    assert checked == 2 * VIDEOS


def test_a_cache_that_was_compared_may_be_read_only(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    before = read_all(dataset)
    monkeypatch.setattr(FeatureCache, "_lock", lambda _: pytest.fail("something is written"))
    assert read_all(replace(dataset)) == before


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_cache_in_a_read_only_folder_is_compared_by_each_trial(
    dataset: Dataset, cache: Path, checked: list[str], number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after ``chmod -R a-w``, which is a change of its status."""
    before = read_all(dataset)
    packed_file(cache).chmod(0o444)
    lock = dataset.cache.path.with_suffix(".lock") if dataset.cache is not None else None
    monkeypatch.setattr(FeatureCache, "_lock", Mock(side_effect=OSError(number, "no", str(lock))))
    for turn in (2, 3):
        assert read_all(replace(dataset)) == before
        assert checked == turn * VIDEOS
    flip(3)(packed_file(cache))
    with pytest.raises(BadInput, match=rf"^{lock}: no; name another folder with --cache"):
        read_all(replace(dataset))


def test_a_removed_cache_is_built_again(dataset: Dataset, folder: Path, cache: Path) -> None:
    read_all(dataset)
    shutil.rmtree(cache)
    assert read_all(replace(dataset)) == read_all(dataset) == from_files(folder)
