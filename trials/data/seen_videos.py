"""Which videos a trained network has seen in its training: what it scores on them says nothing about new videos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trials.training.checkpoint import load_checkpoint

NAMED = 3
"""How many videos a message names."""


def training_videos(path: Path) -> frozenset[str] | None:
    """The videos that the network of a checkpoint was trained on; None where an earlier version did not note them.

    Raises:
        BadInput: the checkpoint is missing or damaged.
    """
    videos = load_checkpoint(path).train_videos
    return None if videos is None else frozenset(videos)


def overlap_message(checkpoint: Path, trained_on: frozenset[str] | None, videos: Sequence[str]) -> str | None:
    """The warning that some of these videos are training videos, or that nobody can tell; None where none is."""
    if trained_on is None:
        return f"{checkpoint}: made by an earlier version, which did not note the training videos: {UNKNOWN}"
    seen = [video for video in videos if video in trained_on]
    if not seen:
        return None
    names = ", ".join(seen[:NAMED]) + (", ..." if len(seen) > NAMED else "")
    return f"{checkpoint} was trained on {len(seen)} of these {len(videos)} videos ({names})"


UNKNOWN = "whether these are among them is not known"
