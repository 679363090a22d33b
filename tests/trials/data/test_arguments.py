"""The options that say which data to read."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

import pytest

from common.bad_input import BadInput
from tests.conftest import write_dataset
from trials.data.arguments import Task, add_dataset_arguments, add_holdout_arguments, held_out, split_number
from trials.data.holdout import hold_out

PERSONS = ("rgb-01-1", "rgb-01-2", "rgb-02-1", "rgb-02-2", "rgb-03-1", "rgb-03-2")


def parsed(*words: object, fraction: float = 0.25) -> Namespace:
    parser = ArgumentParser()
    add_dataset_arguments(parser)
    add_holdout_arguments(parser, fraction)
    return parser.parse_args([str(word) for word in words])


def test_task_by_default(small_dataset: Path) -> None:
    task = Task.from_arguments(parsed("--dataset", "small", "--data-root", small_dataset.parent))
    assert (task.name, task.dataset.folder, task.dataset.sample_rate) == ("small", small_dataset, 1)
    assert task.background == ()


def test_task_as_chosen(small_dataset: Path) -> None:
    words = ("--dataset", "small", "--data-root", small_dataset.parent, "--sample-rate", 3)
    task = Task.from_arguments(parsed(*words, "--background", "class_2", "class_0"))
    assert (task.dataset.sample_rate, task.background) == (3, ("class_2", "class_0"))


def test_features_are_cached_unless_told_otherwise(small_dataset: Path, cache_folder: Path) -> None:
    data = ("--dataset", "small", "--data-root", small_dataset.parent)
    for words, folder in (((), cache_folder), (("--cache", "mine"), Path("mine")), (("--no-cache",), None)):
        assert Task.from_arguments(parsed(*data, *words)).dataset.cache_folder == folder
    assert Task.from_arguments(parsed(*data)).dataset.feature_dtype == "float32"
    assert Task.from_arguments(parsed(*data, "--feature-dtype", "float16")).dataset.feature_dtype == "float16"
    with pytest.raises(SystemExit):
        parsed(*data, "--cache", "mine", "--no-cache")


def test_known_datasets_bring_their_defaults(tmp_path: Path) -> None:
    write_dataset(tmp_path / "50salads")
    task = Task.from_arguments(parsed("--dataset", "50salads", "--data-root", tmp_path))
    assert (task.dataset.sample_rate, task.background) == (2, ())


def test_fraction_zero_holds_nothing_out() -> None:
    assert held_out(parsed("--dataset", "50salads", fraction=0.0), ["a", "b"]) == (("a", "b"), ())


def test_persons_of_known_datasets_stay_together() -> None:
    train, held = held_out(parsed("--dataset", "50salads", "--validation-fraction", 0.1), PERSONS)
    assert len(held) == 2
    assert held[0][:6] == held[1][:6]
    assert (train, held) == hold_out(PERSONS, 0.1, 0, r"rgb-(\d+)-")


def test_options_of_the_holdout_are_used() -> None:
    words = ("--dataset", "50salads", "--validation-fraction", 0.5, "--validation-seed", 4, "--group", r"(\d)$")
    train, held = held_out(parsed(*words), PERSONS)
    assert (train, held) == hold_out(PERSONS, 0.5, 4, r"(\d)$")
    assert {video[-1] for video in held}.isdisjoint(video[-1] for video in train)


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("12", 12), ("01", 1)])
def test_split_numbers(text: str, number: int) -> None:
    assert split_number(text) == number


@pytest.mark.parametrize("text", ["", "all", "-1", "1.0", "1 ", "²", "9" * 5000])
def test_other_splits_are_refused(text: str) -> None:
    with pytest.raises(BadInput, match="--split must be the number of a split"):
        split_number(text)
