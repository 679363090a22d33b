from __future__ import annotations

import pytest

from experiments.from_data.group_guess import guess_group
from trials.data.holdout import hold_out


def of_persons(names: str, persons: int, each: int) -> dict[int, tuple[list[str], list[str]]]:
    """Two splits, in which the first or the last person is tested on; ``names`` has {p} and {n}."""
    videos = [[names.format(p=p, n=n) for n in range(1, each + 1)] for p in range(1, persons + 1)]
    flat = [video for of_person in videos for video in of_person]
    return {1: (flat[each:], flat[:each]), 2: (flat[:-each], flat[-each:])}


@pytest.mark.parametrize(
    ("names", "expression"),
    [
        ("P{p:02d}_cam01_{n}", r"^(P\d+)_"),
        ("rgb-{p:02d}-{n}", r"^(rgb-\d+)-"),
        ("u{p:02d}_{n:02d}", r"^(u\d+)_"),
        ("K27{p}-{n}", r"^(K\d+)-"),
        ("{p}_{n}", r"^(\d+)_"),
        ("anna{p}x_{n}", "^([^_-]*)_"),
        ("S{p}_Cheese_C{n}", r"^(S\d+)_"),
    ],
)
def test_names_that_show_persons_are_grouped(names: str, expression: str) -> None:
    splits = of_persons(names, persons=5, each=4)
    guess = guess_group(splits)
    assert guess.expression == expression
    assert "5 beginnings (" in guess.why
    train, held = hold_out(splits[1][0], 0.25, 0, guess.expression)
    assert len(train) == 12
    assert len(held) == 4


def test_persons_that_a_split_divides_are_no_groups() -> None:
    guess = guess_group({3: (["a_1", "b_1", "c_1", "d_1"], ["a_2", "b_2", "c_2", "d_2"])})
    assert guess.expression is None
    assert guess.why == "each alone: names have 4 beginnings (a, b, ...), but split 3 has a in training and test"


def test_two_persons_are_too_few() -> None:
    guess = guess_group({1: (["a_1", "a_2", "b_1", "b_2"], ["c_1", "c_2"])})
    assert guess.expression is None
    assert guess.why.endswith("but only 2 of them train in split 1")


@pytest.mark.parametrize("names", ["video_{:03d}", "{:03d}", "{0:03d}_{0}", "one"])
def test_numbers_are_no_groups(names: str) -> None:
    videos = sorted({names.format(number) for number in range(8)})
    assert guess_group({1: (videos[1:], videos[:1])}).expression is None
