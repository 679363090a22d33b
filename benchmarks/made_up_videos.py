"""Random videos of any length: features of I3D's dimension, and labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from trials.data.dataset import Video
from trials.data.feature_files import Features
from trials.data.label_files import Labels

FEATURE_DIM = 2048
CLASSES = 19


def made_up_videos(lengths: Sequence[int], feature_dim: int = FEATURE_DIM, classes: int = CLASSES) -> list[Video]:
    """One video of each length; labels change every 100 frames."""
    random = np.random.default_rng(0)
    videos = []
    for frames in lengths:
        features = torch.empty(frames, feature_dim).numpy()  # aligned like the features of the cache
        random.standard_normal(out=features, dtype=np.float32)
        labels = np.repeat(random.integers(classes, size=frames // 100 + 1), 100)[:frames]
        videos.append(Video(features, labels))
    return videos


def ragged_lengths(videos: int, mean: float) -> list[int]:
    """Lengths of this mean, in ascending order, distributed as in Breakfast: quantiles of a log-normal distribution."""
    levels = (np.arange(videos) + 0.5) / videos
    shares = np.exp(0.6 * torch.special.ndtri(torch.from_numpy(levels)).numpy())
    return [round(mean * share) for share in shares / shares.mean()]


def channels_first(videos: Sequence[Video]) -> tuple[list[Features], list[Labels]]:
    """Features ``(channels, frames)`` and labels ``(frames,)``, as the usual formulation reads them."""
    return [np.ascontiguousarray(video.features.T) for video in videos], [video.labels for video in videos]
