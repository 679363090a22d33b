"""Fingerprints of data: equal for equal content, whatever surrounds it, and a change is named."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common.bad_input import BadInput
from tests.conftest import write_dataset
from tests.trials.changes import CHANGES, surround
from trials.data.dataset import Dataset
from trials.data.fingerprint import (
    ChangedData,
    DataRecord,
    Fingerprint,
    add_fingerprint,
    labelled_videos,
    read_fingerprint,
)

VIDEOS = ("p00-1", "p00-2", "p01-1")


@pytest.fixture
def folder(small_dataset: Path) -> Path:
    return small_dataset


@pytest.fixture(params=[True, False], ids=["cache", "no cache"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "cache" if request.param else None


def record(folder: Path, cache: Path | None = None, shared: Path | None = None, **options: Any) -> DataRecord:
    return DataRecord(Dataset(folder, cache_folder=cache, **options), 1, VIDEOS, "it was started", "restore it", shared)


def fingerprint(folder: Path, cache: Path | None = None, **options: Any) -> Fingerprint:
    noted = record(folder, cache, **options)
    noted.note(unread=True)
    return noted.files


def test_it_has_a_checksum_for_each_file_that_is_read(folder: Path, cache: Path | None) -> None:
    noted = fingerprint(folder, cache)
    lists = ["mapping.txt", "splits/train.split1.bundle", "splits/test.split1.bundle"]
    of_videos = [
        f"{part}/{video}.{end}" for part, end in (("groundTruth", "txt"), ("features", "npy")) for video in VIDEOS
    ]
    assert list(noted) == lists + of_videos
    assert len(set(noted.values())) == len(noted)
    assert labelled_videos(noted) == VIDEOS


def test_it_is_the_same_with_a_cache_and_without(folder: Path, tmp_path: Path) -> None:
    for options in ({}, {"sample_rate": 2}, {"feature_dtype": "float16"}):
        assert fingerprint(folder, tmp_path / "cache", **options) == fingerprint(folder, None, **options)


def test_it_is_of_what_is_read(folder: Path) -> None:
    whole = fingerprint(folder)
    for options in ({"sample_rate": 2}, {"feature_dtype": "float16"}):
        read = fingerprint(folder, None, **options)
        assert {name for name in whole if read[name] != whole[name]} == {f"features/{video}.npy" for video in VIDEOS}


def test_neither_place_nor_times_nor_formats_are_in_it(folder: Path, tmp_path: Path, cache: Path | None) -> None:
    shutil.copytree(folder, tmp_path / "elsewhere")
    surround(tmp_path / "elsewhere")
    assert fingerprint(tmp_path / "elsewhere", cache) == fingerprint(folder, cache)


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.filterwarnings("ignore:.*packed again")
def test_a_change_is_noticed_and_named(name: str, folder: Path, cache: Path | None) -> None:
    before = fingerprint(folder, cache)
    CHANGES[name](folder)
    with pytest.raises(ChangedData) as refusal:
        record(folder, cache).compare(before, Path("file"), unread=True)
    assert str(refusal.value) == f"{folder / name}: has changed since it was started; restore it"
    after = fingerprint(folder, cache)
    assert [other for other in before if after[other] != before[other]] == [name]


def test_what_else_has_changed_is_counted(folder: Path) -> None:
    before = fingerprint(folder)
    for expected, change in zip(
        ("", " (and so has 1 more)", " (and so have 2 more)"), list(CHANGES.values())[1:], strict=True
    ):
        change(folder)
        with pytest.raises(ChangedData) as refusal:
            record(folder).compare(before, Path("file"), unread=True)
        assert f"train.split1.bundle: has changed since it was started{expected}; restore it" in str(refusal.value)


def test_without_a_cache_features_are_compared_once_they_are_read(folder: Path) -> None:
    before = fingerprint(folder)
    CHANGES["features/p00-2.npy"](folder)
    later = record(folder)
    later.compare(before, Path("file"))
    later.dataset.load("p00-1")
    later.note()
    later.dataset.load("p00-2")
    with pytest.raises(ChangedData, match=r"p00-2\.npy: has changed"):
        later.note()


def test_a_file_that_changes_while_a_training_reads_it_is_noticed(folder: Path) -> None:
    running = record(folder)
    running.note(unread=True)
    CHANGES["features/p00-2.npy"](folder)
    running.dataset.load("p00-2")
    with pytest.raises(ChangedData, match=r"p00-2\.npy: has changed"):
        running.note()


def test_what_was_read_before_an_interruption_stays_known(folder: Path) -> None:
    before = fingerprint(folder)
    resumed = record(folder)
    resumed.compare(before, Path("file"))
    resumed.note()
    assert resumed.files == before


def test_files_of_earlier_versions_are_taken_with_a_warning(folder: Path) -> None:
    with pytest.warns(UserWarning, match="^it.json: made by an earlier version, without a fingerprint of the data"):
        record(folder).compare(None, Path("it.json"))


@pytest.mark.parametrize(
    "damaged", [[], 1, "x", {"mapping.txt": 1}, {"mapping.txt": "0123456"}, {"a": {}}, {1: "01234567"}]
)
def test_damage_is_refused(folder: Path, damaged: Any) -> None:
    with pytest.raises(BadInput, match=r"^it.json: damaged \(no checksums of data\); restore it$"):
        record(folder).compare(damaged, Path("it.json"))


# What the trials of an experiment share.


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.filterwarnings("ignore:.*packed again")
def test_trials_that_read_other_data_are_refused(name: str, folder: Path, cache: Path | None, tmp_path: Path) -> None:
    shared = tmp_path / "new" / "data.json"
    record(folder, cache, shared).note(unread=True)
    kept = shared.read_text()
    assert json.loads(kept) == fingerprint(folder, cache)
    record(folder, cache, shared).note(unread=True)
    CHANGES[name](folder)
    with pytest.raises(ChangedData, match=f"{name}: has changed since it was started; restore it$"):
        record(folder, cache, shared).note(unread=True)
    assert shared.read_text() == kept


def test_trials_add_what_no_other_has_read(folder: Path, tmp_path: Path) -> None:
    shared = tmp_path / "data.json"
    record(folder, None, shared).note()
    assert not any(name.startswith("features") for name in read_fingerprint(shared))
    record(folder, None, shared).note(unread=True)
    assert read_fingerprint(shared) == fingerprint(folder)


def test_a_damaged_file_is_refused(folder: Path, tmp_path: Path) -> None:
    shared = tmp_path / "data.json"
    for text in ("", "[]", '{"mapping.txt": null}'):
        shared.write_text(text)
        with pytest.raises(BadInput, match=f"^{shared}: "):
            record(folder, None, shared).note()


def test_what_another_machine_has_read_is_added(tmp_path: Path) -> None:
    shared = tmp_path / "new" / "data.json"
    assert add_fingerprint(shared, {"a": "00000000", "b": "11111111"}) == []
    assert add_fingerprint(shared, {"b": "11111111", "c": "22222222"}) == []
    known = {"a": "00000000", "b": "11111111", "c": "22222222"}
    assert read_fingerprint(shared) == known
    assert add_fingerprint(shared, {"d": "0" * 8, "c": "3" * 8, "a": "00000000", "b": "4" * 8}) == ["c", "b"]
    assert read_fingerprint(shared) == known


def test_nothing_new_writes_nothing(tmp_path: Path) -> None:
    shared = tmp_path / "data.json"
    add_fingerprint(shared, {"a": "00000000", "b": "11111111"})
    before = shared.stat().st_ino
    assert add_fingerprint(shared, {"a": "00000000"}) == []
    assert shared.stat().st_ino == before


def test_several_may_add_at_once(tmp_path: Path) -> None:
    shared = tmp_path / "data.json"
    wanted = [{f"{number}{name}": "00000000" for name in "abcde"} for number in range(8)]
    threads = [threading.Thread(target=add_fingerprint, args=(shared, each)) for each in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read_fingerprint(shared) == {name: value for each in wanted for name, value in each.items()}


# Settings and data together.


def test_a_changed_list_is_named_rather_than_the_videos_that_it_leads_to(folder: Path) -> None:
    def go_on(kept: dict[str, Any], described: dict[str, Any]) -> Callable[[], None]:
        content = {"run": kept, "data": before}
        return lambda: record(folder).go_on(content, "run", described, Path("file"), "other settings")

    before = fingerprint(folder)
    settings = {"seed": 1, "train_videos": ["a"]}
    go_on(settings, dict(settings))()
    with pytest.raises(BadInput, match=r"^other settings$"):
        go_on(settings, {**settings, "train_videos": ["b"]})()
    CHANGES["splits/train.split1.bundle"](folder)
    with pytest.raises(ChangedData, match="bundle: has changed"):
        go_on(settings, {**settings, "train_videos": ["b"]})()
    with pytest.raises(BadInput, match=r"^other settings$"):
        go_on(settings, {**settings, "seed": 2, "train_videos": ["b"]})()


def test_fingerprints_of_another_split_have_only_videos_in_common(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "data" / "two", splits=2)
    one, two = (DataRecord(Dataset(folder), split, VIDEOS, "", "") for split in (1, 2))
    one.note(unread=True)
    two.compare(one.files, Path("file"), unread=True)
