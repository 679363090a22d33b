"""HMR, the eye movements of 13 persons, from a clone of OEMC (Elmadjian et al.): eye 0 at 50 Hz in clips of 30 s.

A recording is a table of tab-separated columns, 200 rows per second: the pupil's position in the eye camera's image (0
to 1), the tracker's confidence, and a letter for the movement. Where the tracker lost the pupil, the position is
``0.5 0.5``; an empty position is read as the same.

Verified: the format of the files, on several excerpts of four recordings at the commit below, and the features, which
agree bit by bit with a copy of this data set on such excerpts. Not verified: whether any file has empty positions. That
copy breaks ties of the majority label arbitrarily; here the class of the lower id wins.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from common.bad_input import BadInput
from common.read_file import read_text
from experiments.demo_data import Features, Labels
from studies.clone import MadeDataset, Repository, find_files

REPOSITORY = Repository("https://github.com/elmadjian/OEMC", "e41e14d03eb2ef0ccb992bf2c171d111622c2428", "MIT")
PERSONS = range(1, 14)
COLUMNS = ("X_coord", "Y_coord", "Confidence", "Pattern")
PATTERNS = {"F": "fixation", "S": "saccade", "P": "pursuit", "B": "blink"}
"""The classes by their letters, in the order of their ids."""
LOST = 0.5
"""The recorded position while the tracker has lost the pupil: the center of the image."""

TOGETHER = 4
"""Samples per frame: 200 Hz become 50 Hz."""
CLIP = 1500
"""Most frames of a clip."""
SHORTEST_CLIP = 400
SPLITS = 5

Samples = npt.NDArray[np.float64]
"""(samples, 3): x, y, confidence."""


def read_eye_movements(clone: Path) -> MadeDataset:
    """The clips ``uPP_CC`` (person, clip) in five splits: split K tests the persons whose number is K - 1 modulo 5.

    Raises:
        BadInput: a file is missing or damaged, or a recording is shorter than a clip.
    """
    paths = find_files(clone, [f"data_hmr/user_{person}/eye_0.csv" for person in PERSONS], REPOSITORY)
    clips: dict[str, tuple[Features, Labels]] = {}
    person_of: dict[str, int] = {}
    for person, path in zip(PERSONS, paths, strict=True):
        samples, patterns = read_recording(path)
        features, labels = to_features(samples), majority(patterns)
        starts = range(0, len(labels) - SHORTEST_CLIP + 1, CLIP)
        if not starts:
            raise BadInput(
                f"{path}: {len(labels)} frames of {TOGETHER} samples, but a clip has {SHORTEST_CLIP} or more"
            )
        for number, start in enumerate(starts):
            name, frames = f"u{person:02d}_{number:02d}", slice(start, start + CLIP)
            clips[name], person_of[name] = (features[:, frames], labels[frames]), person
    splits = []
    for split in range(1, SPLITS + 1):
        test = [name for name in clips if person_of[name] % SPLITS == split - 1]
        splits.append(([name for name in clips if name not in test], test))
    return MadeDataset(clips, tuple(PATTERNS.values()), splits)


def read_recording(path: Path) -> tuple[Samples, Labels]:
    """The samples of a recording and the class ids ``(samples,)`` of their patterns.

    Raises:
        BadInput: a column is missing, or a line is not a sample.
    """
    header, *lines = read_text(path).rstrip("\n").split("\n")
    titles = header.split("\t")
    missing = [column for column in COLUMNS if column not in titles]
    if missing:
        raise BadInput(f"{path}: no column {missing[0]} in its first line, but tab-separated {', '.join(COLUMNS)}")
    columns = [titles.index(column) for column in COLUMNS]
    ids = {letter: identifier for identifier, letter in enumerate(PATTERNS)}
    samples: list[tuple[float, float, float]] = []
    labels: list[int] = []
    for number, line in enumerate(lines, start=2):
        cells = line.split("\t")
        try:
            x, y, confidence, letter = (cells[column] for column in columns)
            samples.append((float(x or LOST), float(y or LOST), float(confidence)))
            labels.append(ids[letter])
        except (IndexError, KeyError, ValueError):
            raise BadInput(
                f"{path}, line {number}: expected numbers and one of {' '.join(PATTERNS)} "
                f"as {', '.join(COLUMNS)}, not {line!r}"
            ) from None
    measured = np.array(samples, dtype=np.float64).reshape(-1, 3)
    if not np.isfinite(measured).all():
        raise BadInput(f"{path}, line {np.argwhere(~np.isfinite(measured))[0][0] + 2}: NaN or infinity")
    return measured, np.array(labels, dtype=np.int64)


def to_features(samples: Samples) -> Features:
    """``(7, frames)`` from samples: mean x, y, confidence; differences of x and y between frames; speed; fastest step.

    x and y are relative to the center of the image; samples after the last whole frame are dropped. The differences are
    multiplied by 20. Speed is the length of the difference, and the fastest step is the longest of the three between
    the samples of a frame, both as log(1 + 100 v). The differences of the first frame are 0.
    """
    frames = len(samples) // TOGETHER
    together = samples[: frames * TOGETHER].reshape(frames, TOGETHER, 3)
    positions = together[..., :2] - LOST
    means = positions.mean(axis=1)
    moves = np.diff(means, axis=0, prepend=means[:1])
    fastest = np.linalg.norm(np.diff(positions, axis=1), axis=2).max(axis=1)
    channels = [
        *means.T,
        together[..., 2].mean(axis=1),
        *(20 * moves.T),
        np.log1p(100 * np.hypot(*moves.T)),
        np.log1p(100 * fastest),
    ]
    return np.stack(channels, axis=1).astype(np.float32).T


def majority(labels: Labels) -> Labels:
    """The most frequent class ``(frames,)`` in each frame of ``(samples,)``; of equally frequent ones the lower id."""
    frames = len(labels) // TOGETHER
    together = labels[: frames * TOGETHER].reshape(frames, TOGETHER)
    counts = (together[..., None] == np.arange(len(PATTERNS))).sum(axis=1)
    return np.argmax(counts, axis=1)
