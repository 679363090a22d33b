"""Guess from the names of videos which show the same person, so that validation separates persons."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Split = tuple[Sequence[str], Sequence[str]]
"""The training and the test videos of a split."""

FEWEST_GROUPS = 3
"""Fewest groups among the training videos of a split: with two, a search would hold out half."""
SEPARATOR = re.compile(r"[_-]")


@dataclass(frozen=True)
class Guess:
    """A guess which videos belong together."""

    expression: str | None
    """A regular expression for ``--group``; None: each video alone, or the data set's default."""
    why: str
    """The reason, without a full stop."""

    def describe(self) -> str:
        """In one line."""
        if self.expression is None:
            return self.why
        return f"by --group '{self.expression}', a guess: {self.why}"


def guess_group(splits: Mapping[int, Split]) -> Guess:
    """Groups videos by the shortest common prefix of their names that no split divides.

    Names are split at ``_`` and ``-``: ``P03_cam01_cereals``, ``rgb-01-1``, ``u01_02``. That no split has one of the
    prefixes in both of its lists distinguishes persons from mere numbers.

    Args:
        splits: by number.
    """
    videos = sorted({video for lists in splits.values() for names in lists for video in names})
    for parts in range(1, min(len(SEPARATOR.split(video)) for video in videos)):
        expression = _expression(videos, parts)
        group_of = {video: _group(expression, video) for video in videos}
        groups = Counter(group_of.values())
        if len(groups) == 1:
            continue
        if 2 * len(groups) > len(videos):
            break
        prefixes = f"names have {len(groups)} beginnings ({', '.join(list(groups)[:2])}, ...)"
        for number, (train, test) in splits.items():
            trained = {group_of[video] for video in train}
            both = trained & {group_of[video] for video in test}
            if both:
                return Guess(None, f"each alone: {prefixes}, but split {number} has {min(both)} in training and test")
            if len(trained) < FEWEST_GROUPS:
                return Guess(None, f"each alone: {prefixes}, but only {len(trained)} of them train in split {number}")
        return Guess(expression, f"{prefixes}, and no split divides the videos of one")
    return Guess(None, "each alone: their names show no groups")


def _group(expression: str, video: str) -> str:
    match = re.search(expression, video)
    assert match is not None
    return match[1]


def _expression(videos: Sequence[str], parts: int) -> str:
    """A regular expression whose group is the first ``parts`` parts of each name."""
    words = [SEPARATOR.split(video) for video in videos]
    separators = [SEPARATOR.findall(video) for video in videos]
    expression = ""
    for index in range(parts):
        if index:
            expression += _separator({of_video[index - 1] for of_video in separators})
        expression += _word({of_video[index] for of_video in words})
    return f"^({expression}){_separator({of_video[parts - 1] for of_video in separators})}"


def _word(found: set[str]) -> str:
    """An expression for one part of the names: a common word, common letters and a number, or anything."""
    if len(found) == 1:
        return re.escape(next(iter(found)))
    letters = {re.sub(r"[0-9]+$", "", word) for word in found}
    if len(letters) == 1 and all(word[-1:].isdigit() for word in found):
        return re.escape(next(iter(letters))) + r"\d+"
    return "[^_-]*"


def _separator(found: set[str]) -> str:
    return next(iter(found)) if len(found) == 1 else "[_-]"
