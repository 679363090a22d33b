from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.trials.data.feature_cache.conftest import VIDEOS, packed_file, read_all
from trials.data.dataset import Dataset
from trials.data.feature_cache.packed import PackedFeatures


@pytest.fixture
def packed(dataset: Dataset, cache: Path) -> PackedFeatures:
    read_all(dataset)
    return PackedFeatures(packed_file(cache), "float32")


def test_features_are_those_of_the_file(packed: PackedFeatures, dataset: Dataset) -> None:
    assert list(packed.videos) == VIDEOS
    for video in VIDEOS:
        assert packed.is_intact(video)
        assert packed.rows(video).tolist() == dataset.features(video)[0].tolist()


def test_a_file_that_was_replaced_stays_readable(packed: PackedFeatures, dataset: Dataset, cache: Path) -> None:
    before = packed.rows(VIDEOS[0]).tolist()
    path = packed_file(cache)
    shutil.copyfile(path, cache / "other")
    os.replace(cache / "other", path)
    assert packed.is_unchanged()
    path.unlink()
    assert packed.is_unchanged()
    assert packed.rows(VIDEOS[0]).tolist() == before == dataset.features(VIDEOS[0])[0].tolist()


def test_a_write_is_a_change(packed: PackedFeatures, cache: Path) -> None:
    content = bytearray(packed_file(cache).read_bytes())
    content[0] ^= 1
    packed_file(cache).write_bytes(content)
    assert not packed.is_unchanged()
    assert not packed.is_intact(VIDEOS[0])
    assert packed.is_intact(VIDEOS[1])


def test_a_write_is_a_change_whatever_its_time(packed: PackedFeatures, cache: Path) -> None:
    before = packed_file(cache).stat()
    with packed_file(cache).open("r+b") as file:
        file.write(b"other")
    os.utime(packed_file(cache), ns=(before.st_atime_ns, before.st_mtime_ns))
    assert packed_file(cache).stat().st_mtime_ns == before.st_mtime_ns
    assert not packed.is_unchanged()


def test_a_file_that_another_machine_has_replaced_is_opened_again(packed: PackedFeatures) -> None:
    with patch("os.fstat", side_effect=OSError(errno.ESTALE, "stale file handle")):
        assert not packed.is_unchanged()


def test_what_is_not_there_is_not_intact(packed: PackedFeatures, cache: Path) -> None:
    assert not packed.is_intact("missing")
    os.truncate(packed_file(cache), 10)
    assert not packed.is_intact(VIDEOS[1])
