"""Divide videos into the splits of a cross-validation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from common.bad_input import BadInput
from trials.data.holdout import check_group, group_of


def make_splits(
    videos: Sequence[str], folds: int, seed: int, group: str | None = None
) -> list[tuple[list[str], list[str]]]:
    """The training and the test videos of each split, in their given order: every video is tested in one split.

    Groups are shuffled, then placed from the largest to the smallest, each in the fold that has the fewest videos.

    Args:
        folds: number of splits.
        seed: the same seed makes the same splits.
        group: see ``hold_out``; the videos of a group are in the same fold.

    Raises:
        BadInput: there are fewer groups than folds, or a setting is invalid.
    """
    if folds < 2:
        raise BadInput(f"--folds must be at least 2, not {folds}")
    if seed < 0:
        raise BadInput(f"--seed must be at least 0, not {seed}")
    check_group(group)
    groups: dict[str, list[str]] = {}
    for video in videos:
        groups.setdefault(group_of(video, group), []).append(video)
    if len(groups) < folds:
        kind = "videos" if group is None else f"groups of videos by --group '{group}'"
        raise BadInput(f"{len(groups)} {kind} cannot be divided into {folds} folds: choose fewer --folds")
    order = [list(groups.values())[index] for index in np.random.default_rng(seed).permutation(len(groups))]
    tested: list[set[str]] = [set() for _ in range(folds)]
    for of_group in sorted(order, key=len, reverse=True):
        min(tested, key=len).update(of_group)
    return [
        ([each for each in videos if each not in test], [each for each in videos if each in test]) for test in tested
    ]
