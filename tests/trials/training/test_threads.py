"""How many threads a training takes."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from common.bad_input import BadInput
from tests.trials.conftest import TINY, Command, Trained
from trials import train
from trials.data.dataset import Dataset
from trials.training import threads
from trials.training.arguments import add_training_arguments
from trials.training.threads import FRAMES_A_THREAD, choose_threads, paying_threads

VIDEOS = ("long", "short")


@pytest.fixture(autouse=True)
def four_cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """PyTorch chooses four threads here; afterwards it has as many as before."""
    before = torch.get_num_threads()
    monkeypatch.setattr(threads, "ALL_CORES", 4)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Two videos, which have one thread's frames on average."""
    (tmp_path / "features").mkdir()
    for video, frames in zip(VIDEOS, (FRAMES_A_THREAD + 100, FRAMES_A_THREAD - 100), strict=True):
        np.save(tmp_path / "features" / f"{video}.npy", np.zeros((2, frames), dtype=np.float32))
    return Dataset(tmp_path)


def options(*words: object) -> Namespace:
    parser = ArgumentParser()
    add_training_arguments(parser)
    return parser.parse_args([str(word) for word in words])


@pytest.mark.parametrize(
    ("frames", "expected"),
    [(0, 1), (1, 1), (1.9 * FRAMES_A_THREAD, 1), (2 * FRAMES_A_THREAD, 2), (5 * FRAMES_A_THREAD, 4), (1e9, 4)],
    ids=str,
)
def test_each_thread_has_frames_enough(frames: float, expected: int) -> None:
    assert paying_threads(frames, 4) == expected


@pytest.mark.parametrize(("size", "rate", "expected"), [(1, 1, 1), (2, 1, 2), (8, 1, 2), (2, 2, 1)], ids=str)
def test_the_frames_of_a_step_are_those_that_are_read(dataset: Dataset, size: int, rate: int, expected: int) -> None:
    choose_threads(options("--batch-size", size), Dataset(dataset.folder, rate), VIDEOS)
    assert torch.get_num_threads() == expected


def test_a_share_of_the_cores_is_the_most(dataset: Dataset) -> None:
    arguments = options("--batch-size", 2)
    arguments.cores = 1
    choose_threads(arguments, dataset, VIDEOS)
    assert torch.get_num_threads() == 1


def test_it_does_not_depend_on_what_was_chosen_before(dataset: Dataset) -> None:
    for size in (1, 2):
        choose_threads(options("--batch-size", size), dataset, VIDEOS)
    assert torch.get_num_threads() == 2


def test_what_the_user_says_stands(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    choose_threads(options("--threads", 3), dataset, VIDEOS)
    assert torch.get_num_threads() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    choose_threads(options(), dataset, VIDEOS)
    assert torch.get_num_threads() == 3


def test_a_file_that_is_missing_is_named(dataset: Dataset) -> None:
    with pytest.raises(BadInput, match=r"none\.npy"):
        choose_threads(options(), dataset, ("none",))


@pytest.mark.parametrize(("words", "expected"), [((), 1), (("--threads", "2"), 2)], ids=str)
def test_a_small_training_takes_one_and_tells(
    command: Command, trained: Trained, tmp_path: Path, words: tuple[str, ...], expected: int
) -> None:
    data = ("--data-root", trained.data_root, "--dataset", "small", "--split", 1)
    command(train.main, *data, *TINY, "--structure", "hand", "--epochs", 1, "--output", tmp_path, *words)
    assert Trained(trained.data_root, tmp_path).metrics["threads"] == expected
