from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from common.bad_input import BadInput
from nas_space.layers.packed_videos import PackedVideos
from nas_space.networks import build, find_network
from nas_space.structure_files import read_structure
from studies.search_quality.planted import CLASSES, PAIRS, SPLITS, main, make_video, write_planted
from tests.trials.conftest import tree
from trials.data.dataset import Dataset


def test_what_tells_a_pair_apart_comes_a_lag_before() -> None:
    """Averaged over segments, the channel of a frame's pair is high with it, that of its half of the pair before it."""
    lag, random = 40, np.random.default_rng(0)
    pair, half, at_once = [], [], []
    for _ in range(20):
        features, labels = make_video(random, lag)
        frames = np.arange(lag, len(labels))
        pair.append(features[labels[frames] // 2, frames])
        half.append(features[PAIRS + labels[frames] % 2, frames - lag])
        at_once.append(features[PAIRS + labels[frames] % 2, frames])
    # Shown at 1.5; what is shown of another frame is of the same half every other time.
    assert np.concatenate(pair).mean() == pytest.approx(1.5, abs=0.1)
    assert np.concatenate(half).mean() == pytest.approx(1.5, abs=0.1)
    assert np.concatenate(at_once).mean() == pytest.approx(0.75, abs=0.15)


def test_every_video_is_tested_on_in_one_split(tmp_path: Path) -> None:
    write_planted(tmp_path / "planted", 12, seed=0, lag=10)
    dataset = Dataset(tmp_path / "planted")
    assert dataset.classes == CLASSES
    splits = [dataset.split(split) for split in dataset.splits()]
    tested = [video for _, test in splits for video in test]
    assert (len(splits), len(tested), len(set(tested))) == (SPLITS, 12, 12)
    assert all(len({*train, *test}) == len(train) + len(test) == 12 for train, test in splits)
    first = splits[0][0]
    assert dataset.feature_dim(first[0]) == 8
    dataset.check(first, 8)


def test_the_same_seed_writes_the_same_files(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        write_planted(tmp_path / name, 10, seed, lag=10)
    assert tree(tmp_path / "one") == tree(tmp_path / "same") != tree(tmp_path / "other")


@pytest.mark.parametrize("lag", [0, 100])
def test_a_structure_that_sees_it_lies_beside_the_data(
    lag: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["planted", "--output", str(tmp_path / "x"), "--videos", "10", "--lag", str(lag)])
    main()
    structure = read_structure(tmp_path / "x" / "sees.json", find_network("ms-tcn:stages=2,layers=5"))
    torch.manual_seed(0)
    stage = build(structure, 8, len(CLASSES)).double().eval().get_submodule("stage1")
    frames = torch.randn(250, 8, dtype=torch.double)
    before = stage(PackedVideos(frames, (0, 250)))
    frames[20] += 1
    changed = (stage(PackedVideos(frames, (0, 250))) != before).any(dim=1)
    assert changed[20 + lag]
    assert Dataset(tmp_path / "x").splits() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("options", [("--videos", "9"), ("--lag", "-1"), ("--seed", "-1")])
def test_what_makes_no_set_is_refused(
    options: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["planted", "--output", str(tmp_path / "x"), *options])
    with pytest.raises(BadInput, match="are needed"):
        main()
    assert not (tmp_path / "x").exists()
