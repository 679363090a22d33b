"""The local search finds a dilation that is known: labels depend on a cue a fixed number of frames before and after."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nas_space.branching import Branching, next_structure
from nas_space.networks import ms_tcn
from nas_space.structure import Structure
from trials.data.arguments import Task
from trials.data.dataset import Dataset
from trials.training.local_iteration import BranchedTraining
from trials.training.settings import TrainingSettings

LAG = 12
SEEDS = 6
ITERATIONS = 3
VIDEOS = tuple(f"v{index}" for index in range(8))
FRAMES = 240
WIDTH = 4
"""Frames over which the cue is smooth: a dilation that is nearer to the lag then sees more of what it needs."""


def write_planted(folder: Path, seed: int) -> Path:
    """Features are a smooth random cue with noise, and noise; a label is the sign of cue[t - LAG] + cue[t + LAG]."""
    random = np.random.default_rng(seed)
    for part in ("features", "groundTruth", "splits"):
        (folder / part).mkdir(parents=True)
    (folder / "mapping.txt").write_text("0 below\n1 above\n")
    (folder / "splits" / "train.split1.bundle").write_text("".join(f"{video}.txt\n" for video in VIDEOS[:-1]))
    (folder / "splits" / "test.split1.bundle").write_text(f"{VIDEOS[-1]}.txt\n")
    window = np.exp(-((np.arange(-3 * WIDTH, 3 * WIDTH + 1) / WIDTH) ** 2))
    window /= np.linalg.norm(window)
    for video in VIDEOS:
        cue = np.convolve(random.normal(size=FRAMES + 2 * LAG + len(window) - 1), window, "valid")
        seen = cue[LAG:-LAG] + 0.3 * random.normal(size=FRAMES)
        features = np.stack([seen, random.normal(size=FRAMES)])
        np.save(folder / "features" / f"{video}.npy", features.astype(np.float32))
        above = cue[: -2 * LAG] + cue[2 * LAG :] > 0
        (folder / "groundTruth" / f"{video}.txt").write_text(
            "".join("above\n" if sign else "below\n" for sign in above)
        )
    return folder


def search(start: int, seed: int, folder: Path) -> list[int]:
    """The dilation of a network of one stage and one layer, before and after every iteration."""
    task = Task("planted", Dataset(write_planted(folder / "data", seed)), background=())
    settings = TrainingSettings(epochs=5, batch_size=2, learning_rate=0.01, smoothing_weight=0, seed=seed)
    branching = Branching(rate=0.5, maximum=64)
    local = BranchedTraining(task, 1, VIDEOS[:-1], VIDEOS[-1:], settings, branching)
    structure = Structure((start,), ms_tcn.describe(stages=1, layers=1, channels=16))
    path = [start]
    for iteration in range(ITERATIONS):
        learnt = local.train(structure, iteration, folder, torch.device("cpu"))
        structure = next_structure(structure, branching, learnt)
        path += structure.dilations
    return path


@pytest.mark.parametrize("start", [5, 25], ids=["lag longer than the start", "lag shorter than the start"])
def test_a_wrong_dilation_moves_to_the_planted_one(start: int, tmp_path: Path) -> None:
    paths = [search(start, seed, tmp_path / str(seed)) for seed in range(SEEDS)]
    ends = [path[-1] for path in paths]
    # All of 20 seeds did so, and ended at 11, 12 or 13, in both directions.
    assert sum(abs(end - LAG) < abs(start - LAG) for end in ends) == SEEDS, paths
    assert sum(abs(end - LAG) <= 1 for end in ends) >= SEEDS - 1, paths
