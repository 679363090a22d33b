"""Folders of label files: true and predicted class ids of videos, by one list of class names."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.bad_input import BadInput
from trials.data.label_files import Labels, read_lines, read_mapping
from trials.data.lengths import length_tolerance
from trials.evaluate import checked, predicted_videos, read_predicted_lines


@dataclass(frozen=True)
class GroundTruth:
    """A folder of true label files, and their classes."""

    folder: Path
    classes: tuple[str, ...]
    background: frozenset[int]
    """Ids of the classes that edit and F1 ignore."""

    @classmethod
    def of(cls, folder: Path, mapping: Path | None = None, background: Sequence[str] | None = None) -> GroundTruth:
        """From all files of a folder, so that a class has the same look in the figure of every video.

        Args:
            mapping: a ``mapping.txt``; None: the one beside the folder, if it exists, else the classes of all files.
            background: names of background classes; None: ``background``, if there is such a class.

        Raises:
            BadInput: there are no label files, the mapping is damaged, or a background class is unknown.
        """
        videos = predicted_videos(folder)
        beside = folder.resolve().parent / "mapping.txt"
        if mapping is None and beside.is_file():
            mapping = beside
        if mapping is not None:
            classes = read_mapping(mapping)
        else:
            classes = tuple(sorted({name for video in videos for name in read_predicted_lines(folder, video)} - {""}))
        names = ["background"] if background is None and "background" in classes else background or []
        for name in names:
            if name not in classes:
                raise BadInput(f"background class {name!r} is not a class: there are {_some(classes)}")
        return cls(folder, classes, frozenset(map(classes.index, names)))

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> GroundTruth:
        """From the options of ``add_ground_truth_arguments``."""
        return cls.of(arguments.ground_truth, arguments.mapping, arguments.background)

    def labels(self, video: str) -> Labels:
        """True class ids ``(frames,)`` of a video. Raises BadInput for an unknown video or class."""
        path = self.folder / f"{video}.txt"
        if not path.exists():
            raise BadInput(f"{self.folder}: no video {video!r}: there are {_some(predicted_videos(self.folder))}")
        return self._ids(checked(read_lines(path), path), path)

    def predicted(self, folder: Path, video: str, true: Labels) -> Labels:
        """Predicted class ids of a video, truncated to the length of ``true`` where they are a few frames longer.

        Raises:
            BadInput: the file is missing or names an unknown class, or the lengths differ by more than
                ``length_tolerance``.
        """
        if not (folder / f"{video}.txt").is_file() and not (folder / video).is_file():
            raise BadInput(f"{folder}: no video {video!r}: there are {_some(predicted_videos(folder))}")
        path = folder / f"{video}.txt"
        labels = self._ids(read_predicted_lines(folder, video), path)
        if abs(len(labels) - len(true)) > length_tolerance(len(true)):
            raise BadInput(f"{path}: {len(labels)} frames, but {len(true)} are labelled")
        if len(labels) != len(true):
            warnings.warn(f"{path}: {len(labels)} frames, but {len(true)} are labelled: cut", stacklevel=2)
        return labels[: len(true)]

    def _ids(self, lines: list[str], path: Path) -> Labels:
        ids = {name: identifier for identifier, name in enumerate(self.classes)}
        for number, name in enumerate(lines, start=1):
            if name not in ids:
                raise BadInput(
                    f"{path}, line {number}: {name!r} is not a class: there are {_some(self.classes)}; "
                    "--mapping FILE names all classes"
                )
        return np.array([ids[name] for name in lines], dtype=np.int64)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:4])
    return f"{shown} and {len(names) - 4} more" if len(names) > 4 else shown


def add_ground_truth_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``GroundTruth.from_arguments``."""
    parser.add_argument("--ground-truth", type=Path, required=True, metavar="DIR", help="folder of VIDEO.txt")
    parser.add_argument("--mapping", type=Path, help="mapping.txt (default: beside --ground-truth, if there is one)")
    parser.add_argument(
        "--background",
        nargs="*",
        metavar="NAME",
        help="classes that edit and F1 leave out (default: 'background', if there is one; no name: none)",
    )
