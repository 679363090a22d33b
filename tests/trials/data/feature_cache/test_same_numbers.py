from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nas_space.networks import build
from tests.trials.conftest import TINY_STRUCTURE, equal_weights
from tests.trials.data.feature_cache.conftest import CPU, DIM, VIDEOS, packed_file
from trials.data.dataset import Dataset
from trials.data.feature_files import FeatureType
from trials.training.training import Training, TrainingSettings, score_network


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
        return losses, score_network(network, dataset, test_videos, (), CPU), network.state_dict()

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
