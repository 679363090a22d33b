from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.trials.data.feature_cache.conftest import VIDEOS, from_files, packed_file, read_all
from trials.data.dataset import Dataset


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
