"""Held-out validation videos: seeded, enough, in order, and never of a person that is trained on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from common.bad_input import BadInput
from trials.data.dataset import Dataset
from trials.data.holdout import hold_out
from trials.data.known_datasets import defaults_of

VIDEOS = tuple(f"p{person}-{take}" for person in range(6) for take in range(2))
PERSON = r"p(\d+)-\d"
"""Matches more than the person: only its first group tells whose video it is."""

names = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=20, unique=True).map(
    lambda pairs: [f"p{person}-{take}" for person, take in pairs]
)
fractions = st.floats(0.01, 0.99)
seeds = st.integers(0, 1000)


def person(video: str) -> str:
    return video.split("-")[0]


@given(names, fractions, seeds, st.sampled_from([None, PERSON]))
def test_laws(videos: list[str], fraction: float, seed: int, group: str | None) -> None:
    whose = person if group else str
    groups = {whose(video) for video in videos}
    assume(len(groups) > 1)
    train, held = hold_out(videos, fraction, seed, group)
    assert hold_out(videos, fraction, seed, group) == (train, held)
    assert [video for video in videos if video in train] == list(train)
    assert [video for video in videos if video in held] == list(held)
    assert sorted(train + held) == sorted(videos)
    assert train
    assert held
    assert not {whose(video) for video in train} & {whose(video) for video in held}
    assert len(held) >= fraction * len(videos) or len({whose(video) for video in train}) == 1


@given(names, fractions, seeds, st.sampled_from([None, PERSON]))
def test_others_are_held_out_instead(videos: list[str], fraction: float, seed: int, group: str | None) -> None:
    whose = person if group else str
    assume(len({whose(video) for video in videos}) > 1)
    _, first = hold_out(videos, fraction, seed, group)
    train, held = hold_out(videos, fraction, seed, group, others=True)
    assert held
    assert set(first) <= set(train)
    assert sorted(train + held) == sorted(videos)
    assert not {whose(video) for video in train} & {whose(video) for video in held}
    assert len(held) >= fraction * len(videos) or train == first


@given(names.filter(lambda videos: len(videos) > 1), fractions, seeds)
def test_no_more_single_videos_than_needed(videos: list[str], fraction: float, seed: int) -> None:
    _, held = hold_out(videos, fraction, seed)
    assert len(held) - 1 < fraction * len(videos)


def test_fraction_is_a_share_of_the_videos() -> None:
    assert len(hold_out(VIDEOS, 0.25, seed=0)[1]) == 3
    assert len(hold_out(VIDEOS, 0.25, seed=0, group=PERSON)[1]) == 4  # two persons of two videos


def test_seed_chooses() -> None:
    assert len({hold_out(VIDEOS, 0.25, seed) for seed in range(20)}) > 10


@pytest.mark.parametrize("group", [r"p\d+", r"p\d+(x)?"], ids=["no group", "a group without a match"])
def test_whole_match_groups_where_no_group_matches(group: str) -> None:
    train, held = hold_out(VIDEOS, 0.5, 0, group)
    assert not {person(video) for video in train} & {person(video) for video in held}


@pytest.mark.parametrize(
    ("videos", "fraction", "group", "fault"),
    [
        (VIDEOS, 0.0, None, "must lie between 0 and 1, not 0.0"),
        (VIDEOS, 1.0, None, "must lie between 0 and 1, not 1.0"),
        (VIDEOS, -0.5, None, "must lie between 0 and 1, not -0.5"),
        (VIDEOS, float("nan"), None, "must lie between 0 and 1, not nan"),
        (VIDEOS, 0.5, r"q(\d)", r"the group expression 'q(\\d)' does not match video 'p0-0'"),
        (VIDEOS, 0.5, "(", "the group expression '(' is no regular expression"),
        (
            VIDEOS,
            0.5,
            "p",
            "all 12 training videos are of one group, 'p' by --group 'p', and groups stay together: nothing can be "
            "held out for validation; --group '.*' holds out single videos",
        ),
        (VIDEOS[:1], 0.5, None, "1 training video(s): nothing can be held out for validation; a search needs two"),
        (VIDEOS[:1], 0.5, PERSON, "1 training video(s): nothing can be held out"),
        ((), 0.5, None, "0 training video(s)"),
    ],
)
def test_refusals(videos: tuple[str, ...], fraction: float, group: str | None, fault: str) -> None:
    with pytest.raises(BadInput, match=re.escape(fault)):
        hold_out(videos, fraction, 0, group)


def test_the_advice_holds_out_single_videos() -> None:
    assert hold_out(VIDEOS, 0.25, 0, ".*") == hold_out(VIDEOS, 0.25, 0)


def test_negative_seed_is_refused() -> None:
    with pytest.raises(BadInput, match="-1"):
        hold_out(VIDEOS, 0.5, -1)


@pytest.mark.parametrize("split", [1, 2, 3, 4, 5])
def test_persons_of_50_salads_stay_together(real_data: Path, split: int) -> None:
    videos, _ = Dataset(real_data / "50salads_mid_svm").split(split)
    train, held = hold_out(videos, 0.25, seed=0, group=defaults_of("50salads_mid_svm").group)
    persons = [{video[4:6] for video in part} for part in (train, held)]
    assert not persons[0] & persons[1]
    assert (len(train), len(held)) == (30, 10)
    assert len(persons[1]) == 5  # two recordings a person
