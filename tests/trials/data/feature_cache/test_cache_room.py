from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.forked import on_full_disk
from tests.trials.conftest import Exit, tree
from tests.trials.data.feature_cache.conftest import VIDEOS, change, from_files, no_reading, packed_file, read_all
from trials import train
from trials.data.dataset import Dataset

ANOTHER_WAY = "name another folder with --cache DIR or $G2L_CACHE, or read the files directly with --no-cache\n"


def free_space(monkeypatch: pytest.MonkeyPatch, free: Callable[[], int]) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**12, 0, free()))


def test_too_little_space_is_told_before_anything_is_read(
    words: list[object], cache: Path, exit_of: Exit, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_space(monkeypatch, lambda: 1000)
    no_reading(monkeypatch)
    outcome = exit_of(train.main, *words, "--cache", cache)
    assert outcome.code == 2
    assert outcome.err == (f"error: {cache}: 0.0 MB are needed for the features, 0.0 MB free; {ANOTHER_WAY}")


def test_an_old_file_makes_room_for_the_new_one(
    dataset: Dataset, folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_all(dataset)
    change(folder / "features" / "p00-1.npy")
    free_space(monkeypatch, lambda: 1000 if list(cache.glob("*.features")) else 10**6)
    with pytest.warns(UserWarning, match="has changed"):
        assert read_all(replace(dataset)) == from_files(folder)


def test_a_disk_that_is_full_meanwhile(
    words: list[object], cache: Path, exit_of: Exit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    outcome = exit_of(train.main, *words, "--cache", cache)
    assert outcome.code == 2
    announced, fault = outcome.err.splitlines(keepends=True)
    assert announced.startswith(f"feature cache: 6 videos, 0.0 MB: {cache}/small-every1-float32-")
    assert fault.startswith(f"error: {cache}/small-every1-float32-")
    assert fault.endswith(f".features: No space left on device; {ANOTHER_WAY}")
    assert {path.suffix for path in cache.iterdir()} == {".lock"}


def test_a_cache_that_outgrows_the_disk_leaves_nothing(dataset: Dataset, cache: Path) -> None:
    done = on_full_disk(lambda: dataset.check(VIDEOS), room=3000)
    assert done.returncode == 2
    _, fault = done.stderr.splitlines(keepends=True)
    assert fault.startswith(f"error: {cache}/small-every1-float32-")
    assert fault.endswith(f".features: File too large; {ANOTHER_WAY}")
    assert {path.suffix for path in cache.iterdir()} == {".lock"}


def test_a_folder_that_cannot_be_made(words: list[object], tmp_path: Path, exit_of: Exit) -> None:
    (tmp_path / "file").touch()
    outcome = exit_of(train.main, *words, "--cache", tmp_path / "file" / "cache")
    assert outcome.code == 2
    assert outcome.err.startswith(f"error: {tmp_path / 'file' / 'cache'}")
    assert outcome.err.endswith(f": Not a directory; {ANOTHER_WAY}")


def test_the_data_folder_is_no_cache_folder(words: list[object], folder: Path, exit_of: Exit) -> None:
    before = tree(folder)
    for place in (folder, folder / "features" / "cache"):
        outcome = exit_of(train.main, *words, "--cache", place)
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err.startswith(f"error: --cache {place}: lies in the data, which is only read; ")
    assert tree(folder) == before


def start(folder: Path, cache: Path, before: str = "") -> subprocess.Popen[str]:
    """A process that checks and reads the data set."""
    script = f"""
import os, signal, sys
from pathlib import Path
from trials.data.dataset import Dataset
from trials.data.feature_files import FeatureFiles
{before}
dataset = Dataset(Path({str(folder)!r}), cache_folder=Path({str(cache)!r}))
dataset.check({VIDEOS})
print(sum(dataset.features(video)[0].sum(dtype=float) for video in {VIDEOS}))
"""
    words = [sys.executable, "-c", script]
    return subprocess.Popen(words, cwd=REPOSITORY, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_processes_that_start_together_build_once(folder: Path, cache: Path, dataset: Dataset) -> None:
    assert dataset.cache is not None
    cache.mkdir()
    with open(dataset.cache.path.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        processes = [start(folder, cache) for _ in range(3)]
        for process in processes:
            assert process.stderr is not None
            assert process.stderr.readline() == (
                f"feature cache: waiting for the process that packs {dataset.cache.path}\n"
            )
    outcomes = [process.communicate(timeout=60) for process in processes]
    assert len({out for out, _ in outcomes}) == 1
    assert sum("feature cache: 6 videos, 0.0 MB" in err for _, err in outcomes) == 1
    assert [process.returncode for process in processes] == [0, 0, 0]


def test_a_killed_build_is_never_taken_for_whole(
    folder: Path, cache: Path, dataset: Dataset, capfd: pytest.CaptureFixture[str]
) -> None:
    die = """
read = FeatureFiles.read
def die(files, video):
    if video == "p01-1": os.kill(os.getpid(), signal.SIGKILL)
    return read(files, video)
FeatureFiles.read = die
"""
    process = start(folder, cache, before=die)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert [path.suffix for path in cache.iterdir() if path.name.startswith(".")] == [".tmp"]
    assert not list(cache.glob("*.features"))
    assert read_all(dataset) == from_files(folder)
    assert packed_file(cache).exists()  # and no temporary file any more
    assert "waiting" not in capfd.readouterr().err
