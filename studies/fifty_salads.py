"""50 Salads as framewise SVM scores, from a clone of TemporalConvolutionalNetworks (Lea et al., CVPR 2017).

Test fold K of the repository is one MATLAB file with a cell of scores ``S`` and one of labels ``Y`` for each video of
``splits/50Salads/Split_K/test.txt``, in that order. Every video is in one fold. Its features are its scores, and its
labels are numbers: 0 is background, others are 1 + the line number in the action list, from 0.

Verified at the commit below: names and contents of all files except the MATLAB files; the order of the videos, their
labels and the order of the classes, for all ten videos of one fold of the mid-level set. Not verified: the content of
the MATLAB files, of which only the code that wrote them (``code/TCN_main.py``) and the code that reads them
(``code/compare_predictions.py``) were available. A cell array and a plain array of equally long videos are both read;
anything else is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.io

from common.bad_input import BadInput
from experiments.demo_data import Features, Labels
from studies.clone import MadeDataset, Repository, find_files
from trials.data.label_files import read_bundle, read_lines

REPOSITORY = Repository(
    "https://github.com/colincsl/TemporalConvolutionalNetworks", "cccdf868ed4c7a56745b41d30fd9f1dc637eb3f3", "MIT"
)
FOLDS = range(1, 6)


@dataclass(frozen=True)
class Granularity:
    """The granularity of the actions. Paths are relative to the clone."""

    actions: str
    """The action list, one name per line."""
    scores: str
    """The MATLAB file of fold ``{fold}``."""


MID = Granularity(
    "code/50Salads/labels/mid_level_actions.txt", "predictions/50Salads/mid/mid_video_SVM/Split_{fold}.mat"
)
EVAL = Granularity("code/50Salads/labels/eval_actions.txt", "predictions/50Salads/eval/eval_video_SVM/{fold}.mat")


def read_fifty_salads(clone: Path, granularity: Granularity) -> MadeDataset:
    """The 50 videos, named ``rgb-PP-R`` as in MS-TCN's copy of 50 Salads, in five splits by fold.

    Raises:
        BadInput: a file is missing, damaged, or does not fit the others.
    """
    bundles = [f"splits/50Salads/Split_{fold}/test.txt" for fold in FOLDS]
    scores = [granularity.scores.format(fold=fold) for fold in FOLDS]
    actions, *others = find_files(clone, [granularity.actions, *bundles, *scores], REPOSITORY)
    classes = ("background", *read_lines(actions))
    videos: dict[str, tuple[Features, Labels]] = {}
    tested: list[list[str]] = []
    for bundle, path in zip(others[: len(FOLDS)], others[len(FOLDS) :], strict=True):
        names = [f"rgb-{name}" for name in read_bundle(bundle)]
        twice = sorted(videos.keys() & set(names))
        if twice:
            raise BadInput(f"{bundle}: {twice[0].removeprefix('rgb-')} is in another fold, too")
        videos.update(zip(names, _read_fold(path, names, len(classes)), strict=True))
        tested.append(sorted(names))
    splits = [(sorted(videos.keys() - set(test)), test) for test in tested]
    return MadeDataset(videos, classes, splits)


def _read_fold(path: Path, names: list[str], classes: int) -> list[tuple[Features, Labels]]:
    """Features ``(classes, frames)`` and labels of the videos ``names`` of one fold."""
    try:
        content = scipy.io.loadmat(path, variable_names=("S", "Y"))
    except Exception as fault:  # scipy raises ValueError, TypeError, NotImplementedError, ... for anything else
        raise BadInput(f"{path}: not a MATLAB file, or damaged ({type(fault).__name__})") from None
    scores, labels = (_cells(content, variable, path) for variable in ("S", "Y"))
    if not len(scores) == len(labels) == len(names):
        raise BadInput(
            f"{path}: scores of {len(scores)} and labels of {len(labels)} videos, but the fold has {len(names)}"
        )
    return [
        _video(score, np.ravel(label), classes, f"{path}, video {number} ({name})")
        for number, (score, label, name) in enumerate(zip(scores, labels, names, strict=True), start=1)
    ]


def _cells(content: dict[str, Any], variable: str, path: Path) -> list[npt.NDArray[Any]]:
    """The cells of a cell array, which scipy reads as an array (1, cells) of arrays."""
    if variable not in content:
        raise BadInput(f"{path}: no variable {variable!r}")
    array = content[variable]
    return list(array.ravel()) if array.dtype == object else list(array)


def _video(scores: npt.NDArray[Any], labels: npt.NDArray[Any], classes: int, what: str) -> tuple[Features, Labels]:
    """From ``(frames, classes)`` scores and ``(frames,)`` labels to features and labels of the standard layout."""
    if scores.shape != (len(labels), classes) or scores.dtype.kind not in "fiu":
        raise BadInput(
            f"{what}: scores of type {scores.dtype} and shape {scores.shape}, "
            f"but it has {len(labels)} labels and the action list {classes} classes with background"
        )
    if labels.dtype.kind not in "fiu" or not np.isin(labels, range(classes)).all():
        raise BadInput(f"{what}: labels that are no class from 0 to {classes - 1}")
    return np.ascontiguousarray(scores.T, dtype=np.float32), labels.astype(np.int64)
