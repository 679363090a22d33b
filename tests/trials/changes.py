"""Changes of a small data set (``write_dataset``) in one file each: of its content, and only of what surrounds it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np


def _features(folder: Path) -> None:
    path = folder / "features" / "p00-2.npy"
    np.save(path, np.load(path) * 2)


def _without_last_line(path: Path) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def _labels(folder: Path) -> None:
    path = folder / "groundTruth" / "p00-1.txt"
    lines = path.read_text().splitlines()
    other = "class_1" if lines[0] == "class_0" else "class_0"
    path.write_text("".join(f"{line}\n" for line in [other, *lines[1:]]))


def _mapping(folder: Path) -> None:
    (folder / "mapping.txt").write_text("1 class_0\n0 class_1\n2 class_2\n")


CHANGES: dict[str, Callable[[Path], None]] = {
    "mapping.txt": _mapping,
    "splits/train.split1.bundle": lambda folder: _without_last_line(folder / "splits" / "train.split1.bundle"),
    "groundTruth/p00-1.txt": _labels,
    "features/p00-2.npy": _features,
}
"""By the file that changes."""


def surround(folder: Path) -> None:
    """Other times, line ends and formats of the same content."""
    for path in folder.rglob("*.txt"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    for path in folder.rglob("*.bundle"):
        path.write_text("#bundle\n" + path.read_text().replace(".txt", ""))
    for path in folder.rglob("*.npy"):
        np.save(path, np.asfortranarray(np.load(path).astype(np.float64)))
        os.utime(path, ns=(0, 10**18))
