"""Splits of a cross-validation: each video tested once, groups together, equal sizes."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from common.bad_input import BadInput
from trials.data.folds import make_splits

names = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 5)), min_size=2, max_size=20, unique=True).map(
    lambda pairs: [f"p{person}-{take}" for person, take in pairs]
)
PERSON = r"p(\d+)-"


@given(names, st.integers(2, 6), st.integers(0, 1000), st.sampled_from([None, PERSON]))
def test_laws(videos: list[str], folds: int, seed: int, group: str | None) -> None:
    whose = [video if group is None else video.split("-")[0] for video in videos]
    assume(len(set(whose)) >= folds)
    splits = make_splits(videos, folds, seed, group)
    assert make_splits(videos, folds, seed, group) == splits
    assert len(splits) == folds
    assert sorted(video for _, test in splits for video in test) == sorted(videos)
    for train, test in splits:
        assert train
        assert test
        assert train == [video for video in videos if video not in test]
        assert test == [video for video in videos if video in test]
        tested = {of for video, of in zip(videos, whose, strict=True) if video in test}
        assert tested.isdisjoint(of for video, of in zip(videos, whose, strict=True) if video in train)
    if group is None:
        assert {len(test) for _, test in splits} <= {len(videos) // folds, len(videos) // folds + 1}


def test_other_seeds_make_other_splits() -> None:
    videos = [f"v{number}" for number in range(12)]
    assert len({str(make_splits(videos, 4, seed)) for seed in range(10)}) == 10


@pytest.mark.parametrize(
    ("folds", "seed", "group", "message"),
    [
        (1, 0, None, "--folds must be at least 2, not 1"),
        (2, -1, None, "--seed must be at least 0"),
        (5, 0, None, "4 videos cannot be divided into 5 folds"),
        (3, 0, PERSON, r"2 groups of videos by --group 'p\(\\d\+\)-' cannot be divided into 3 folds"),
        (2, 0, "(", "no regular expression"),
        (2, 0, "x", "does not match video 'p0-0'"),
    ],
)
def test_refusals(folds: int, seed: int, group: str | None, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        make_splits(["p0-0", "p0-1", "p1-0", "p1-1"], folds, seed, group)
