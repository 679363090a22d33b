"""Feature files that were saved as (frames, channels), told as the one mistake that it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


def transposed_videos(
    shapes: Mapping[str, tuple[int, ...]], labels: Mapping[str, int], tolerance: Callable[[int], int]
) -> list[str]:
    """The videos whose feature files look like (frames, channels), though they are to be (channels, frames).

    Such a file has as many rows as its video has labels, and as many columns as most files have channels.

    Args:
        shapes: of the feature files.
        labels: how many labels a video has, of each video in ``shapes``.
        tolerance: by how many frames the features of a video of that many labels may differ from them.
    """
    columns, rows = ([shape[axis] for shape in shapes.values()] for axis in (1, 0))
    channels = Counter(columns + rows).most_common(1)
    return [
        video
        for video, shape in shapes.items()
        if shape[1] == channels[0][0] != shape[0]
        and abs(shape[0] - labels[video]) <= tolerance(labels[video]) < abs(shape[1] - labels[video])
    ]


def transposed_message(
    folder: Path, videos: Sequence[str], shapes: Mapping[str, tuple[int, ...]], labels: Mapping[str, int]
) -> str:
    """The fault of ``transposed_videos``, which they share."""
    first = videos[0]
    which = "all feature files" if len(videos) == len(shapes) else f"{len(videos)} of {len(shapes)} feature files"
    names = "" if len(videos) == len(shapes) else f" ({', '.join(videos)})"
    return (
        f"{folder}: {which} look transposed{names}: {first}.npy has the shape {shapes[first]}, its video has "
        f"{labels[first]} labels, and features are (channels, frames): save the arrays' .T"
    )
