from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from common.bad_input import BadInput
from nas_space.networks import build
from tests.conftest import write_dataset
from tests.trials.conftest import TINY_STRUCTURE, Command, Exit, equal_weights, tree
from tests.trials.data.feature_cache.conftest import (
    CPU,
    DIM,
    VIDEOS,
    change,
    from_files,
    no_reading,
    packed_file,
    read_all,
)
from trials import train
from trials.data.arguments import Task
from trials.data.batches import releaser
from trials.data.dataset import Dataset
from trials.data.device_videos import DeviceVideos
from trials.data.feature_cache.cache import default_cache_folder
from trials.data.feature_files import FeatureType
from trials.training.epochs import short_training
from trials.training.scoring import score_network
from trials.training.settings import TrainingSettings
from trials.training.training import Training


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("rate", [1, 2, 7])
def test_videos_are_the_same_as_from_their_files(folder: Path, cache: Path, rate: int, dtype: FeatureType) -> None:
    files, cached = (Dataset(folder, rate, dtype, place) for place in (None, cache))
    cached.check(VIDEOS, DIM)
    for video in VIDEOS:
        one, other = files.load(video), cached.load(video)
        assert other.features.dtype == np.float32
        for name in ("features", "labels"):
            assert np.array_equal(getattr(one, name), getattr(other, name))
        assert cached.features(video)[1] == files.features(video)[1] == len(files.labels(video))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_training_is_the_same_bit_for_bit(folder: Path, cache: Path, dtype: FeatureType) -> None:
    def trained(dataset: Dataset) -> tuple[list[float], dict[str, float], dict[str, torch.Tensor]]:
        torch.manual_seed(0)
        network = build(TINY_STRUCTURE, DIM, 3)
        training = Training(network, TrainingSettings(batch_size=3, learning_rate=5e-3), CPU)
        train_videos, test_videos = dataset.split(1)
        dataset.check(train_videos + test_videos, DIM)
        losses = [training.run_epoch(dataset, train_videos) for _ in range(3)]
        return losses, score_network(network, DeviceVideos.on(dataset, CPU), test_videos, ()), network.state_dict()

    files, cached = (trained(Dataset(folder, 2, dtype, place)) for place in (None, cache))
    assert files[:2] == cached[:2]
    assert equal_weights(files[2], cached[2])


def test_videos_of_unequal_lengths_are_cut_the_same(folder: Path, cache: Path) -> None:
    path = folder / "groundTruth" / "p00-1.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-5]))
    files, cached = (Dataset(folder, 2, cache_folder=place) for place in (None, cache))
    assert np.array_equal(files.load("p00-1").features, cached.load("p00-1").features)
    assert len(cached.load("p00-1").labels) == -(-(cached.features("p00-1")[1] - 5) // 2)


def test_float16_takes_half_the_space(folder: Path, tmp_path: Path) -> None:
    values = sum(np.load(path).size for path in (folder / "features").iterdir())
    for dtype, size in (("float32", 4), ("float16", 2)):
        Dataset(folder, feature_dtype=dtype, cache_folder=tmp_path / dtype).check(VIDEOS)  # type: ignore[arg-type]
        index = packed_file(tmp_path / dtype).stat().st_size - size * values
        assert 0 < index < 1000


def test_feature_files_are_read_once(dataset: Dataset, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = from_files(folder)
    dataset.check(VIDEOS)
    no_reading(monkeypatch)
    assert read_all(dataset) == read_all(replace(dataset)) == expected


def test_files_are_not_opened_once_they_are_packed(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial of many videos would wait for each, on a disk of a network above all."""
    before = read_all(dataset)
    shapes = Dataset(dataset.folder).feature_shapes(VIDEOS)
    task = Task("small", replace(dataset), ())
    monkeypatch.setattr("numpy.load", lambda *_, **__: pytest.fail("a feature file is opened"))
    assert replace(dataset).feature_shapes(VIDEOS) == shapes
    assert read_all(replace(dataset)) == before
    settings = TrainingSettings(epochs=1)
    (epoch,) = short_training(task, TINY_STRUCTURE, settings, VIDEOS[:4], VIDEOS[4:], torch.device("cpu"))
    assert epoch["epoch"] == 1


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
    releaser(mapped)()
    assert resident() == 0
    np.testing.assert_array_equal(mapped, features.T)


def test_an_array_of_its_own_is_kept() -> None:
    features = np.ones((3, 4), np.float32)
    releaser(features[1:])()
    assert features.sum() == 12
