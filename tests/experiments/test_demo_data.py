from __future__ import annotations

from pathlib import Path

import numpy as np

from experiments.demo_data import ACTIONS, CLASSES, DISHES, LAG, make_video, write_demo
from trials.data.dataset import Dataset


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


def test_the_action_shows_at_once_and_the_dish_only_the_lag_before() -> None:
    random = np.random.default_rng(3)
    at_once: list[float] = []
    before: list[float] = []
    for _ in range(20):
        features, labels = make_video(random)
        shown, called = features[:ACTIONS].argmax(axis=0), features[ACTIONS : ACTIONS + DISHES].argmax(axis=0)
        assert np.mean(shown == labels // DISHES) > 0.98
        at_once.append(float(np.mean(called == labels % DISHES)))
        before.append(float(np.mean(called[:-LAG] == labels[LAG:] % DISHES)))
    assert min(before) > 0.98
    assert 0.4 < np.mean(at_once) < 0.6


def test_two_actions_in_a_row_differ() -> None:
    _, labels = make_video(np.random.default_rng(0))
    starts = np.flatnonzero(np.diff(labels)) + 1
    assert min(np.diff(starts)) >= 14
    assert max(np.diff(starts)) < 32
