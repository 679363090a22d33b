"""What becomes of the cache when feature files change, are touched, or the cache itself is damaged."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from common.bad_input import BadInput
from tests.trials.conftest import Boom
from tests.trials.data.feature_cache.conftest import DIM, VIDEOS, change, from_files, no_reading, packed_file, read_all
from trials.data.dataset import Dataset
from trials.data.feature_cache.cache import FeatureCache
from trials.data.feature_cache.packed import END, PackedFeatures
from trials.data.feature_files import FeatureFiles

# Out of date.


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


# Damaged.


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
