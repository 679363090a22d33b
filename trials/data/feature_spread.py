"""Uninformative features: videos that are all zero or never change, and channels that are constant everywhere."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import numpy as np

from common.bad_input import BadInput
from trials.data.feature_files import Features

SHOWN = 5
"""Number of names in a message."""


class FeatureSpread:
    """The range of the features of a data set, channel by channel, collected video by video with ``add``."""

    def __init__(self) -> None:
        self._lowest: Features | None = None
        self._highest: Features | None = None
        self._videos = 0
        self._zero: list[str] = []
        self._still: list[str] = []

    def add(self, video: str, features: Features) -> None:
        """Add the features ``(frames, channels)`` of a video; all videos need the same channels."""
        lowest, highest = features.min(axis=0), features.max(axis=0)
        self._videos += 1
        if not lowest.any() and not highest.any():
            self._zero.append(video)
        elif len(features) > 1 and np.array_equal(lowest, highest):
            self._still.append(video)
        self._lowest = lowest if self._lowest is None else np.minimum(lowest, self._lowest)
        self._highest = highest if self._highest is None else np.maximum(highest, self._highest)

    def doubts(self) -> list[str]:
        """Reasons why there may be little to learn, one line each.

        Raises:
            BadInput: nothing can be learned: all channels are constant.
        """
        if self._lowest is None or self._highest is None:
            return []
        constant = np.flatnonzero(self._lowest == self._highest)
        channels = len(self._lowest)
        if len(constant) == channels:
            raise BadInput(f"all {channels} channels are constant over all videos: nothing can be learned from them")
        lines = []
        for videos, what in ((self._zero, "only zeros as features"), (self._still, "the same features in every frame")):
            if videos:
                lines.append(f"{len(videos)} of {self._videos} videos have {what} ({_some(videos)})")
        if constant.size:
            lines.append(f"{constant.size} of {channels} channels are constant over all videos ({_some(constant)})")
        return lines


def _some(items: Iterable[object]) -> str:
    shown = [str(item) for item in islice(items, SHOWN + 1)]
    return ", ".join(shown[:SHOWN]) + (", ..." if len(shown) > SHOWN else "")
