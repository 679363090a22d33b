"""Whether the feature file and the label file of a video fit: their lengths, and files saved as (frames, channels)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from common.bad_input import BadInput


def length_tolerance(frames: int) -> int:
    """By how many frames two files of a video of that many frames may differ: 16, or 2 % of a long video."""
    return max(16, frames // 50)


def common_frames(path: Path, frames: int, labels: int) -> int:
    """How many frames of a video to use whose features and labels may differ in length.

    Raises:
        BadInput: they differ by more than ``length_tolerance``.
    """
    if abs(frames - labels) > length_tolerance(labels):
        raise BadInput(
            f"{path}: {frames} frames, but its video has {labels} labels; "
            f"a difference of up to {length_tolerance(labels)} is cut"
        )
    return min(frames, labels)


def cut_warning(cuts: Sequence[int], videos: int) -> str:
    """The warning that some videos are cut; ``cuts``: by how many frames each of them."""
    return (
        f"{len(cuts)} of {videos} videos have features and labels of different length (by up to {max(cuts)}): "
        "cut to the shorter"
    )


def transposed_videos(shapes: Mapping[str, tuple[int, ...]], labels: Mapping[str, int]) -> list[str]:
    """The videos whose feature files look like (frames, channels) instead of (channels, frames).

    Such a file has as many rows as its video has labels, and as many columns as most files have channels.

    Args:
        shapes: of the feature files.
        labels: the number of labels of each video in ``shapes``.
    """
    columns, rows = ([shape[axis] for shape in shapes.values()] for axis in (1, 0))
    channels = Counter(columns + rows).most_common(1)
    return [
        video
        for video, shape in shapes.items()
        if shape[1] == channels[0][0] != shape[0]
        and abs(shape[0] - labels[video]) <= length_tolerance(labels[video]) < abs(shape[1] - labels[video])
    ]


def transposed_message(
    folder: Path, videos: Sequence[str], shapes: Mapping[str, tuple[int, ...]], labels: Mapping[str, int]
) -> str:
    """One message for all of ``transposed_videos``."""
    first = videos[0]
    which = "all feature files" if len(videos) == len(shapes) else f"{len(videos)} of {len(shapes)} feature files"
    names = "" if len(videos) == len(shapes) else f" ({', '.join(videos)})"
    return (
        f"{folder}: {which} look transposed{names}: {first}.npy has the shape {shapes[first]}, its video has "
        f"{labels[first]} labels, and features are (channels, frames): save the arrays' .T"
    )
