"""Whether anything can be learned from the training videos of a data set, and reasons for doubt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from common.bad_input import BadInput
from trials.data.label_files import Labels


def doubts(
    train: Sequence[str], others: Sequence[str], labels: Callable[[str], Labels], classes: Sequence[str]
) -> list[str]:
    """Reasons why there may be little to learn or to compare, one line each.

    Args:
        train: the videos to train on.
        others: the validation or test videos.
        labels: gives the class ids ``(frames,)`` of a training video.
        classes: class names by id.

    Raises:
        BadInput: nothing can be learned: the training videos have only one class.
    """
    found = sorted({int(label) for video in train for label in np.unique(labels(video))})
    if len(found) == 1:
        raise BadInput(
            f"all training videos have one class only, {classes[found[0]]!r}: nothing can be learned; "
            "train on videos of at least two classes"
        )
    lines = []
    missing = [name for index, name in enumerate(classes) if index not in found]
    if missing:
        lines.append(
            f"{len(missing)} of {len(classes)} classes are in no training video ({', '.join(missing)}): they are never "
            "predicted; train on videos that have them (splits/*.bundle, --validation-seed), or leave them out"
        )
    if len(train) == 1:
        lines.append(
            f"one training video only ({train[0]}): what is learned is that video; train on more "
            "(splits/*.bundle, --validation-fraction)"
        )
    if len(others) == 1:
        lines.append(
            f"one video only to score ({others[0]}): differences between structures are mostly chance; score more "
            "(splits/*.bundle, --validation-fraction)"
        )
    return lines


class Part(NamedTuple):
    """The videos of one training."""

    kind: str
    """``split``, or ``a search on split``."""
    number: int
    """Of the split."""
    train: Sequence[str]
    others: Sequence[str]
    """The videos to score."""


def doubts_of_parts(
    parts: Iterable[Part], labels: Callable[[str], Labels], classes: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Faults and doubts of several trainings, as of ``doubts``, each a line that names the splits.

    Those of a split are not repeated for a search on it, which comes later.
    """
    found: dict[tuple[str, str], list[int]] = {}
    seen: set[tuple[int, str]] = set()
    refused: set[str] = set()
    for part in parts:
        try:
            lines = doubts(part.train, part.others, labels, classes)
        except BadInput as fault:
            lines = [str(fault)]
            refused |= {*lines}
        for line in lines:
            if (part.number, line) not in seen:
                seen.add((part.number, line))
                found.setdefault((part.kind, line), []).append(part.number)
    texts = {f"{kind} {', '.join(map(str, numbers))}: {line}": line for (kind, line), numbers in found.items()}
    faults = [text for text, line in texts.items() if line in refused]
    return faults, [text for text, line in texts.items() if line not in refused]
