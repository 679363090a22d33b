"""The whole content of packed features against their files."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import write_dataset
from tests.trials.conftest import Exit
from trials import check_data
from trials.data.dataset import Dataset
from trials.data.feature_cache.packed import END
from trials.data.feature_cache.seen import Seen, read_seen, write_seen


@pytest.fixture
def cache(small_dataset: Path, tmp_path: Path) -> Path:
    """A cache folder with two packed files of the data set, and one of another of that name."""
    folder = tmp_path / "cache"
    videos = ("p00-1", "p00-2")
    Dataset(small_dataset, cache_folder=folder).check(videos)
    Dataset(small_dataset, 2, "float16", folder).check(videos)
    Dataset(write_dataset(tmp_path / "other" / "small"), 3, cache_folder=folder).check(videos)
    return folder


def packed(cache: Path, part: str) -> Path:
    (path,) = cache.glob(f"small-{part}-*.features")
    return path


def test_equal_content_is_said(small_dataset: Path, cache: Path, exit_of: Exit) -> None:
    outcome = exit_of(check_data.main, small_dataset, "--cache", cache)
    lines = [f"{packed(cache, part)}: equal to the files of its 6 videos" for part in ("every1", "every2")]
    assert (outcome.code, outcome.err.splitlines()) == (0, lines)


def test_the_default_is_the_cache_of_trainings(small_dataset: Path, cache_folder: Path, exit_of: Exit) -> None:
    renamed = small_dataset.rename(small_dataset.with_name("never-packed"))
    outcome = exit_of(check_data.main, renamed, "--cache")
    assert (outcome.code, outcome.err) == (0, f"{cache_folder}: no packed features of {renamed}\n")


def test_features_that_changed_behind_the_back_of_the_cache_are_found(
    small_dataset: Path, cache: Path, exit_of: Exit
) -> None:
    path = small_dataset / "features" / "p00-2.npy"
    np.save(path, np.load(path) + 1)
    pack = packed(cache, "every1")
    # As if neither size nor times had changed.
    length, checksum = END.unpack(pack.read_bytes()[-END.size :])
    assert length
    status = path.stat()
    seen = read_seen(pack.with_suffix(".seen"), checksum)
    now = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    write_seen(pack.with_suffix(".seen"), checksum, Seen({**seen.files, "p00-2": now}, seen.packed))
    outcome = exit_of(check_data.main, small_dataset, "--cache", cache, "--json")
    faults = [
        f"{packed(cache, part)}: video 'p00-2' is not as in {path}; remove it: it is packed again"
        for part in ("every1", "every2")
    ]
    assert outcome.code == 2
    assert [line for line in outcome.err.splitlines() if line.startswith("fault: ")] == [
        f"fault: {it}" for it in faults
    ]
    assert json.loads(outcome.out)["videos"] == 6


def test_damage_is_found(small_dataset: Path, cache: Path, exit_of: Exit) -> None:
    one, other = packed(cache, "every1"), packed(cache, "every2")
    content = bytearray(one.read_bytes())
    content[0] ^= 1
    one.write_bytes(content)
    other.write_bytes(other.read_bytes()[:-1])
    outcome = exit_of(check_data.main, small_dataset, "--cache", cache)
    assert outcome.code == 2
    assert outcome.err.splitlines()[:2] == [
        f"fault: {one}: video 'p00-1' is damaged; remove it: it is packed again",
        f"fault: {other}: damaged; remove it: it is packed again",
    ]
    assert zlib.crc32(content) != zlib.crc32(other.read_bytes())


def test_a_feature_file_that_is_gone_is_named(small_dataset: Path, cache: Path, exit_of: Exit) -> None:
    path = small_dataset / "features" / "p00-2.npy"
    path.unlink()
    outcome = exit_of(check_data.main, small_dataset, "--cache", cache)
    assert outcome.code == 2
    assert f"fault: {path}: no such feature file, which {packed(cache, 'every1')} holds" in outcome.err
