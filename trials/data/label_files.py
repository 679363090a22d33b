"""Read the text files of a data set: mapping, labels of a video, lists of videos."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common.bad_input import BadInput
from common.read_file import read_text

Labels = npt.NDArray[np.int64]
"""(frames,) class ids."""

RUN = re.compile(r"(.*\n)\1*+")
"""A line and its repetitions."""
DIGITS = re.compile(r"[0-9]{1,9}")
"""A whole number of plausible size."""
LONGEST_NAME = 240
"""Of a video, in bytes: a file system takes 255 with the suffix."""


def is_class_name(name: Any) -> bool:
    """Whether a name can be a line of a label file."""
    return isinstance(name, str) and name == name.strip() != "" and "\n" not in name


def read_lines(path: Path) -> list[str]:
    """The lines of a text file without surrounding white space; blank lines at the end do not count."""
    text = read_text(path).rstrip()
    return [line.strip() for line in text.split("\n")] if text else []


def read_mapping(path: Path) -> tuple[str, ...]:
    """Class names by id from ``mapping.txt``: one ``id name`` per line, the ids 0, 1, 2, ... in any order.

    Raises:
        BadInput: a line is not ``id name``, an id or a name is repeated, or ids are missing.
    """
    names: dict[int, str] = {}
    ids: dict[str, int] = {}
    for number, line in enumerate(read_lines(path), start=1):
        identifier, _, name = line.partition(" ")
        name = name.strip()
        if not (DIGITS.fullmatch(identifier) and name):
            raise BadInput(f"{path}, line {number}: expected 'id name', not {line!r}")
        if int(identifier) in names:
            raise BadInput(f"{path}, line {number}: duplicate id {identifier}")
        if name in ids:
            raise BadInput(f"{path}, line {number}: duplicate class {name!r}")
        names[int(identifier)], ids[name] = name, int(identifier)
    if not names:
        raise BadInput(f"{path}: no classes")
    if sorted(names) != list(range(len(names))):
        raise BadInput(f"{path}: the ids of {len(names)} classes must be 0 to {len(names) - 1}")
    return tuple(names[identifier] for identifier in range(len(names)))


def read_labels(path: Path, ids: Mapping[str, int]) -> Labels:
    """Class ids ``(frames,)`` of a label file, one class name per line.

    It is read by runs of equal lines, not frame by frame.

    Raises:
        BadInput: the file is missing or empty, or has a class that is not in ``ids``.
    """
    text = read_text(path).rstrip()
    if not text:
        raise BadInput(f"{path}: empty label file")
    runs = list(RUN.finditer(text + "\n"))
    names = [run[1].strip() for run in runs]
    for run, name in zip(runs, names, strict=True):
        if name not in ids:
            line = text.count("\n", 0, run.start()) + 1
            others = sorted(set(names) - set(ids) - {name})
            also = f", nor {', '.join(map(repr, others))}" if others else ""
            raise BadInput(f"{path}, line {line}: label {name!r} is not in the mapping{also}")
    frames = [(run.end() - run.start()) // len(run[1]) for run in runs]
    return np.array([ids[name] for name in names], dtype=np.int64).repeat(frames)


def write_labels(labels: Labels, classes: Sequence[str]) -> str:
    """The text of a label file."""
    return "".join(classes[label] + "\n" for label in labels)


def write_mapping(classes: Sequence[str]) -> str:
    """The text of ``mapping.txt``."""
    return "".join(f"{identifier} {name}\n" for identifier, name in enumerate(classes))


def write_bundles(splits: Sequence[tuple[Iterable[str], Iterable[str]]]) -> dict[str, str]:
    """The texts of the ``.bundle`` files by their names, of the training and the test videos of split 1, 2, ..."""
    return {
        f"{part}.split{number}.bundle": "".join(f"{video}.txt\n" for video in videos)
        for number, parts in enumerate(splits, start=1)
        for part, videos in zip(("train", "test"), parts, strict=True)
    }


def read_bundle(path: Path) -> tuple[str, ...]:
    """Video names of a ``.bundle`` file, one per line, with or without ``.txt``; a ``#bundle`` line is skipped.

    Raises:
        BadInput: no videos, a repeated video, or a name that is not a plain file name.
    """
    names = [line.removesuffix(".txt") for line in read_lines(path) if line and not line.startswith("#")]
    for name in names:
        check_video_name(name, str(path))
    if not names:
        raise BadInput(f"{path}: no videos")
    twice, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise BadInput(f"{path}: video {twice!r} is listed twice")
    return tuple(names)


def check_video_name(name: str, where: str) -> None:
    """Raise BadInput, beginning with ``where``, if the files of a video cannot have this name."""
    if "/" in name or "\\" in name or name.startswith(".") or "\0" in name:
        raise BadInput(f"{where}: {name!r} is not the name of a video")
    if len(name.encode()) > LONGEST_NAME:
        raise BadInput(f"{where}: {name[:40]!r}... is too long for the name of a video")
