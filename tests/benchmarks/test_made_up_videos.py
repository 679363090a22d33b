"""Made-up videos have the lengths that were asked for."""

from __future__ import annotations

import pytest

from benchmarks.made_up_videos import ragged_lengths


@pytest.mark.parametrize("videos", [1, 8, 31])
def test_ragged_lengths_have_the_mean(videos: int) -> None:
    lengths = ragged_lengths(videos, 2070)
    assert lengths == sorted(set(lengths))
    assert len(lengths) == videos
    assert sum(lengths) / videos == pytest.approx(2070, abs=1)


def test_the_longest_of_many_are_several_times_the_mean() -> None:
    # exp(0.6 z - 0.18) times the mean, with z = 2.576 at the level of 99.5 %.
    assert ragged_lengths(100, 1000)[-1] == pytest.approx(1000 * 2.718281828 ** (0.6 * 2.576 - 0.18), rel=0.02)
