"""Features that say nothing."""

from __future__ import annotations

import numpy as np
import pytest

from common.bad_input import BadInput
from trials.data.feature_spread import FeatureSpread

RANDOM = np.random.default_rng(0)


def video(frames: int = 9, channels: int = 4) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return RANDOM.normal(size=(frames, channels)).astype(np.float32)


def spread(*videos: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> FeatureSpread:
    found = FeatureSpread()
    for index, features in enumerate(videos):
        found.add(f"v{index}", features)
    return found


def test_features_that_vary_draw_no_line() -> None:
    assert spread().doubts() == []
    assert spread(video(), video(1), video()).doubts() == []


def test_constant_channels_are_counted_once() -> None:
    videos = [video(), video()]
    for features in videos:
        features[:, [1, 3]] = [0.0, 2.5]
    videos[0][:, 2] = 1.0  # in one video only
    assert spread(*videos).doubts() == ["2 of 4 channels are constant over all videos (1, 3)"]


def test_videos_that_never_change_are_counted_once() -> None:
    still = np.repeat(video(1), 9, axis=0)
    assert spread(video(), np.zeros((9, 4), np.float32), still, still, *[0 * video()] * 6).doubts() == [
        "7 of 10 videos have only zeros as features (v1, v4, v5, v6, v7, ...)",
        "2 of 10 videos have the same features in every frame (v2, v3)",
    ]


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_nothing_can_be_learned_where_all_is_constant(value: float) -> None:
    features = np.full((9, 4), value, np.float32)
    with pytest.raises(BadInput, match="all 4 channels are constant over all videos: nothing can be learned"):
        spread(features, features).doubts()
