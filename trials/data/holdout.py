"""Hold validation videos out of the training split, so that a search never uses the test split."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from common.bad_input import BadInput


def hold_out(
    videos: Sequence[str], fraction: float, seed: int, group: str | None = None, others: bool = False
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Divide training videos into training and validation videos, both in their given order.

    Args:
        videos: names of the training videos.
        fraction: share of the videos to hold out, at least; whole groups are held out until it is reached.
        seed: the same seed holds out the same videos.
        group: regular expression; videos whose first match group (or match) is equal stay together. None: each alone.
        others: hold out none of those that are held out without it, but others, as far as there are so many.

    Raises:
        BadInput: as ``check_holdout``; or the expression does not match a video, or there is no way to leave at least
            one video on each side.
    """
    check_holdout(fraction, seed, group)
    groups: dict[str, list[str]] = {}
    for video in videos:
        groups.setdefault(group_of(video, group), []).append(video)
    if len(videos) < 2:
        raise BadInput(f"{len(videos)} training video(s): nothing can be held out for validation; a search needs two")
    if len(groups) < 2:
        raise BadInput(
            f"all {len(videos)} training videos are of one group, {next(iter(groups))!r} by --group '{group}', and "
            "groups stay together: nothing can be held out for validation; --group '.*' holds out single videos"
        )
    order = [list(groups.values())[index] for index in np.random.default_rng(seed).permutation(len(groups))]
    # The last group in the random order always stays with training.
    held = _first(order[:-1], fraction * len(videos))
    if others:
        held = _first(order[len(held) :], fraction * len(videos))
    validation = {video for of_group in held for video in of_group}
    train = tuple(video for video in videos if video not in validation)
    return train, tuple(video for video in videos if video in validation)


def _first(groups: Sequence[list[str]], number: float) -> list[list[str]]:
    """The first groups that together have so many videos, or all."""
    held: list[list[str]] = []
    for of_group in groups:
        if sum(map(len, held)) >= number:
            break
        held.append(of_group)
    return held


def check_holdout(fraction: float, seed: int, group: str | None = None) -> None:
    """Check the settings, whatever the videos.

    Raises:
        BadInput: the fraction is not within (0, 1), the seed is negative, or the group is no regular expression.
    """
    if not 0 < fraction < 1:
        raise BadInput(f"the validation fraction must lie between 0 and 1, not {fraction}")
    if seed < 0:
        raise BadInput(f"the validation seed must be at least 0, not {seed}")
    check_group(group)


def check_group(group: str | None) -> None:
    """Raise BadInput if a group is no regular expression."""
    try:
        re.compile(group or "")
    except re.error as fault:
        raise BadInput(f"the group expression {group!r} is no regular expression: {fault}") from None


def group_of(video: str, group: str | None) -> str:
    """The group of a video by a regular expression, see ``hold_out``. Raises BadInput if it does not match."""
    if group is None:
        return video
    match = re.search(group, video)
    if match is None:
        raise BadInput(f"the group expression {group!r} does not match video {video!r}")
    return match[1] if match.re.groups and match[1] is not None else match[0]
