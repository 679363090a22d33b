"""Writes folders that look like clones of the public repositories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy.io

from studies.eye_movements import PERSONS
from studies.fifty_salads import FOLDS, Granularity

Score = npt.NDArray[np.float64]
"""(frames, classes)"""
Label = npt.NDArray[np.int64]
"""(frames,)"""


def cell_array(cells: Sequence[npt.NDArray[np.generic]]) -> npt.NDArray[np.object_]:
    """What scipy writes as a MATLAB cell array of one row."""
    array = np.empty(len(cells), object)
    for index, cell in enumerate(cells):
        array[index] = cell
    return array


def write_salads(
    clone: Path,
    granularity: Granularity,
    actions: Sequence[str],
    folds: Sequence[Mapping[str, tuple[Score, Label]]],
) -> Path:
    """A clone with one test fold after the other, each of scores and labels by video, in this order.

    As in the repository, the last action ends without a line feed, and predictions ``P`` lie beside ``S`` and ``Y``.
    """
    texts = {granularity.actions: "\n".join(actions)}
    for fold, videos in zip(FOLDS, folds, strict=True):
        texts[f"splits/50Salads/Split_{fold}/test.txt"] = "".join(f"{name}\n" for name in videos)
        scores, labels = zip(*videos.values(), strict=True)
        path = clone / granularity.scores.format(fold=fold)
        path.parent.mkdir(parents=True, exist_ok=True)
        predictions = [score.argmax(1) for score in scores]
        variables = {"P": cell_array(predictions), "Y": cell_array(labels), "S": cell_array(scores)}
        scipy.io.savemat(path, variables)
    for name, text in texts.items():
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).write_text(text)
    return clone


def write_recordings(clone: Path, recordings: Mapping[int, Iterable[str]]) -> Path:
    """A clone with the lines of these recordings by person; all others are one line of a fixation, 1600 times."""
    for person in PERSONS:
        path = clone / "data_hmr" / f"user_{person}" / "eye_0.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = recordings.get(person, ["0.25\t0.75\t1.0\tF"] * 1600)
        path.write_text("".join(f"{line}\n" for line in ["X_coord\tY_coord\tConfidence\tPattern", *lines]))
    return clone
