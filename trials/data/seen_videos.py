"""Videos that a network was trained on: scores on them say nothing about new videos."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

NAMED = 3
"""Number of videos named in a message."""


def overlap_message(checkpoint: Path, trained_on: Collection[str] | None, videos: Sequence[str]) -> str | None:
    """The warning that some videos are training videos, or may be (if None is given for these); None if none is."""
    if trained_on is None:
        return (
            f"{checkpoint}: made by an earlier version, which did not note the training videos: "
            "whether these are among them is not known"
        )
    seen = [video for video in videos if video in trained_on]
    if not seen:
        return None
    names = ", ".join(seen[:NAMED]) + (", ..." if len(seen) > NAMED else "")
    return f"{checkpoint} was trained on {len(seen)} of these {len(videos)} videos ({names})"
