from __future__ import annotations

from pathlib import Path

import numpy as np

from experiments.demo_data import CLASSES, CUE_LAG, CUE_OIL, CUE_WATER, make_video, write_demo
from trials.dataset import Dataset


def test_the_same_seed_writes_the_same_files(tmp_path: Path) -> None:
    for name, seed in (("one", 0), ("two", 0), ("other", 1)):
        write_demo(tmp_path / name, train=3, test=2, seed=seed)
    contents = [
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in ("one", "two", "other")
    ]
    assert contents[0] == contents[1] != contents[2]


def test_it_is_a_data_set_in_the_standard_layout(tmp_path: Path) -> None:
    write_demo(tmp_path / "demo", train=3, test=2, seed=0)
    dataset = Dataset(tmp_path / "demo")
    train, test = dataset.split(1)
    assert (len(train), len(test), dataset.classes) == (3, 2, CLASSES)
    for video in train + test:
        loaded = dataset.load(video)
        assert len(loaded.features) == len(loaded.labels)


def test_the_cue_of_a_pouring_comes_long_before_it_and_tells_which() -> None:
    random = np.random.default_rng(3)
    seen = 0
    for _ in range(20):
        features, labels = make_video(random)
        starts = np.flatnonzero(np.diff(labels)) + 1
        for start in starts:
            name = CLASSES[labels[start]]
            if name.startswith("pour"):
                cue, other = (CUE_OIL, CUE_WATER) if name == "pour_oil" else (CUE_WATER, CUE_OIL)
                window = slice(start - CUE_LAG, start - CUE_LAG + 5)
                assert features[cue, window].mean() > features[other, window].mean()
                seen += 1
    assert seen > 20
