"""The feature cache: the same numbers, one file for all, built once, and rebuilt when it must not be believed."""

from __future__ import annotations

import errno
import fcntl
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nas_space.bad_input import BadInput
from nas_space.ms_tcn import MSTCN
from tests.conftest import REPOSITORY, on_full_disk, write_dataset
from tests.trials.conftest import TINY, TINY_STRUCTURE, Boom, Command, Exit, equal_weights, tree
from trials import train
from trials.dataset import Dataset
from trials.feature_cache import END, default_cache_folder, letting_go
from trials.feature_files import FeatureFiles, FeatureType
from trials.training import Training, TrainingSettings, score_network

CPU = torch.device("cpu")
DIM = 6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Videos p00-1 to p02-2 in two splits: the test videos of the first are p02-1 and p02-2."""
    return write_dataset(tmp_path / "data" / "small", dim=DIM, splits=2)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def dataset(folder: Path, cache: Path) -> Dataset:
    """The data set, read from a cache that is not built yet."""
    return Dataset(folder, cache_folder=cache)


VIDEOS = ["p00-1", "p00-2", "p01-1", "p01-2", "p02-1", "p02-2"]


def packed_file(cache: Path) -> Path:
    """The one packed file of a cache folder, in which nothing but its lock is besides."""
    (path,) = cache.glob("*.features")
    assert {file.suffix for file in cache.iterdir()} <= {".features", ".lock"}
    return path


def read_all(dataset: Dataset) -> list[list[float]]:
    """The values of all videos as they are read after a check, as a trial does."""
    dataset.check(VIDEOS, DIM)
    return [dataset.features(video)[0].ravel().tolist() for video in VIDEOS]


def from_files(folder: Path) -> list[list[float]]:
    return read_all(Dataset(folder))


def no_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FeatureFiles, "read", lambda *_: pytest.fail("a feature file is read"))


def change(path: Path, value: float = 0.25) -> None:
    """Another value in a feature file of the same size."""
    features = np.load(path)
    features[0, 0] = value
    time.sleep(0.01)  # the clock of a file system may be coarse
    np.save(path, features)


# The same numbers.


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("rate", [1, 2, 7])
def test_videos_are_the_same_as_from_their_files(folder: Path, cache: Path, rate: int, dtype: FeatureType) -> None:
    files, cached = (Dataset(folder, rate, dtype, place) for place in (None, cache))
    cached.check(VIDEOS, DIM)
    for video in VIDEOS:
        one, other = files.load(video), cached.load(video)
        assert other.features.dtype == np.float32
        for name in ("features", "labels", "full_labels"):
            assert np.array_equal(getattr(one, name), getattr(other, name))
        assert cached.features(video)[1] == files.features(video)[1] == len(one.full_labels)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_training_is_the_same_bit_for_bit(folder: Path, cache: Path, dtype: FeatureType) -> None:
    def trained(dataset: Dataset) -> tuple[list[float], dict[str, float], dict[str, torch.Tensor]]:
        torch.manual_seed(0)
        network = MSTCN(TINY_STRUCTURE, DIM, 3, channels=8)
        training = Training(network, TrainingSettings(batch_size=3, learning_rate=5e-3), CPU)
        train_videos, test_videos = dataset.split(1)
        dataset.check(train_videos + test_videos, DIM)
        losses = [training.run_epoch(dataset, train_videos) for _ in range(3)]
        return losses, score_network(network, dataset, test_videos, (), CPU), network.state_dict()

    files, cached = (trained(Dataset(folder, 2, dtype, place)) for place in (None, cache))
    assert files[:2] == cached[:2]
    assert equal_weights(files[2], cached[2])


def test_videos_of_unequal_lengths_are_cut_the_same(folder: Path, cache: Path) -> None:
    path = folder / "groundTruth" / "p00-1.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-5]))
    files, cached = (Dataset(folder, 2, cache_folder=place) for place in (None, cache))
    assert np.array_equal(files.load("p00-1").features, cached.load("p00-1").features)
    assert len(cached.load("p00-1").full_labels) == cached.features("p00-1")[1] - 5


def test_float16_takes_half_the_space(folder: Path, tmp_path: Path) -> None:
    values = sum(np.load(path).size for path in (folder / "features").iterdir())
    for dtype, size in (("float32", 4), ("float16", 2)):
        Dataset(folder, feature_dtype=dtype, cache_folder=tmp_path / dtype).check(VIDEOS)  # type: ignore[arg-type]
        index = packed_file(tmp_path / dtype).stat().st_size - size * values
        assert 0 < index < 1000


# Read once.


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


# Only what is there.


def test_files_of_other_splits_may_be_missing_until_they_are_asked_for(folder: Path, cache: Path) -> None:
    missing = folder / "features" / "p02-2.npy"
    content = missing.read_bytes()
    missing.unlink()
    (folder / "splits" / "test.split2.bundle").unlink()
    dataset = Dataset(folder, cache_folder=cache)
    dataset.check(VIDEOS[:5])
    missing.write_bytes(content)
    with pytest.warns(UserWarning, match=r"video 'p02-2' is not in it; it is packed anew$"):
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
    assert dataset.load("p00-1").name == "p00-1"
    with pytest.raises(BadInput, match=r"p00-2\.npy: no such feature file$"):
        replace(dataset).features("p00-2")


# Out of date.


def test_a_changed_file_is_noticed(dataset: Dataset, folder: Path, cache: Path) -> None:
    before = read_all(dataset)
    change(folder / "features" / "p01-1.npy")
    with pytest.warns(UserWarning, match=r"\.features: .*p01-1\.npy has changed; it is packed anew$") as warned:
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
    with pytest.warns(UserWarning, match=r"\.features: damaged; it is packed anew$") as warned:
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
    with pytest.warns(UserWarning, match="damaged; it is packed anew"):
        assert [dataset.features(video)[0].ravel().tolist() for video in VIDEOS] == from_files(folder)


def test_a_removed_cache_is_built_again(dataset: Dataset, folder: Path, cache: Path) -> None:
    read_all(dataset)
    shutil.rmtree(cache)
    assert read_all(replace(dataset)) == read_all(dataset) == from_files(folder)


# Several processes.


def start(folder: Path, cache: Path, before: str = "") -> subprocess.Popen[str]:
    """A process that checks and reads the data set."""
    script = f"""
import os, signal, sys
from pathlib import Path
from trials.dataset import Dataset
from trials.feature_files import FeatureFiles
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


# No room, no permission.


@pytest.fixture
def words(folder: Path, tmp_path: Path) -> list[object]:
    """A training of one epoch."""
    data = ("--data-root", folder.parent, "--dataset", "small", "--split", 1)
    return [*data, *TINY, "--structure", "hand", "--epochs", 1, "--output", tmp_path / "out"]


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


def test_a_cache_that_outgrows_the_disk_leaves_nothing(folder: Path, cache: Path) -> None:
    program = "from pathlib import Path; from trials.dataset import Dataset\n"
    data = f"Dataset(Path({str(folder)!r}), cache_folder=Path({str(cache)!r}))"
    done = on_full_disk(f"{program}{data}.check({VIDEOS!r})", room=3000)
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


# Options.


def test_default_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("G2L_CACHE", "/own")
    monkeypatch.setenv("XDG_CACHE_HOME", "/users")
    assert default_cache_folder() == Path("/own")
    monkeypatch.setenv("G2L_CACHE", "")
    assert default_cache_folder() == Path("/users/global2local")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache_folder() == Path("/home/ada/.cache/global2local")


def test_options_name_the_folder_or_none(
    words: list[object],
    folder: Path,
    tmp_path: Path,
    cache: Path,
    cache_folder: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, data = tree(cache_folder), tree(folder)
    command(train.main, *words, "--cache", cache)
    assert packed_file(cache).exists()
    command(train.main, *words, "--no-cache", "--output", tmp_path / "no cache")
    assert tree(cache_folder) == before
    monkeypatch.setenv("G2L_CACHE", str(tmp_path / "third"))
    command(train.main, *words, "--output", tmp_path / "default", "--feature-dtype", "float16", "--sample-rate", 3)
    assert packed_file(tmp_path / "third").name.startswith("small-every3-float16-")
    assert tree(folder) == data


def test_float16_is_another_training(words: list[object], exit_of: Exit) -> None:
    assert exit_of(train.main, *words).code == 0
    outcome = exit_of(train.main, *words, "--feature-dtype", "float16")
    assert outcome.code == 2
    assert "holds a training with other settings" in outcome.err


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="needs Linux")
def test_features_that_are_let_go_take_no_memory_and_come_back(tmp_path: Path) -> None:
    features = np.random.default_rng(0).normal(size=(6, 200_000)).astype(np.float32)
    folder = write_dataset(tmp_path / "data")
    np.save(folder / "features" / "p00-1.npy", features)
    dataset = Dataset(folder, cache_folder=tmp_path / "cache")
    mapped, _ = dataset.features("p00-1")

    def resident() -> int:
        """kB of the mapping of the packed file."""
        maps = Path("/proc/self/smaps").read_text()
        (rss,) = re.findall(r"\.features\n(?:.*\n)*?Rss: +(\d+) kB", maps)
        return int(rss)

    np.testing.assert_array_equal(mapped, features.T)
    assert resident() > 4000
    letting_go(mapped)()
    assert resident() == 0
    np.testing.assert_array_equal(mapped, features.T)


def test_an_array_of_its_own_is_kept() -> None:
    features = np.ones((3, 4), np.float32)
    letting_go(features[1:])()
    assert features.sum() == 12
