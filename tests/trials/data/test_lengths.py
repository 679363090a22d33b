"""Feature files that were saved as (frames, channels)."""

from __future__ import annotations

import pytest

from trials.data.lengths import transposed_videos

LABELS = {"a": 300, "b": 410, "c": 300}


@pytest.mark.parametrize(
    ("shapes", "found"),
    [
        ({"a": (18, 300), "b": (18, 410), "c": (18, 300)}, []),
        ({"a": (300, 18), "b": (410, 18), "c": (300, 18)}, ["a", "b", "c"]),
        ({"a": (18, 300), "b": (418, 18), "c": (18, 290)}, ["b"]),
        ({"a": (300, 18)}, ["a"]),
        ({"a": (18, 300)}, []),
        # As many channels as one video has labels, and that video is the only one that is cut short.
        ({"a": (300, 100), "b": (300, 410), "c": (300, 300)}, []),
        # Neither axis is that of the labels, or either is.
        ({"a": (200, 18), "b": (18, 410), "c": (18, 300)}, []),
        ({"a": (300, 310), "b": (300, 410)}, []),
        ({}, []),
    ],
)
def test_files_that_look_transposed(shapes: dict[str, tuple[int, int]], found: list[str]) -> None:
    assert transposed_videos(shapes, LABELS) == found
