from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import write_dataset
from tests.trials.conftest import Command, Exit, tree
from tests.trials.data.feature_cache.conftest import packed_file
from trials import train
from trials.data.batches import releaser
from trials.data.dataset import Dataset
from trials.data.feature_cache import default_cache_folder


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
