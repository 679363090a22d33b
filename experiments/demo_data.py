"""The demo data set: made up, so that dilations matter. It says nothing about real videos.

Every video is a row of actions of a cook who never was. Two things can only be told with the right receptive field:

* far: a cue of 5 frames comes ``CUE_LAG`` frames before each pouring; it alone tells ``pour_oil`` from ``pour_water``.
* near: ``tap`` and ``knock`` both flash two channels every 6 frames, 2 frames apart; only the order differs.

All other actions (and idling) show in features of their own. All features are noisy.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nas_space.atomic_file import write_atomically, write_text
from nas_space.bad_input import BadInput, run_command

CLASSES = ("idle", "stir", "cut", "pour_oil", "pour_water", "tap", "knock")
CUE_LAG = 120
"""Frames from the start of a cue to the start of its pouring."""
CHANNELS = 12
NOISE = 0.6

# Channels of the features.
STIR, CUT, POUR, FLASH_A, FLASH_B, CUE_OIL, CUE_WATER = range(7)

Features = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


def make_video(random: np.random.Generator) -> tuple[Features, Labels]:
    """One video: features ``(channels, frames)`` and labels ``(frames,)``."""
    frames = int(random.integers(380, 460))
    labels = np.zeros(frames, dtype=np.int64)
    features = random.normal(scale=NOISE, size=(CHANNELS, frames)).astype(np.float32)
    start = int(random.integers(5, 20))
    while start < frames:
        # Nothing is poured before a cue could have come.
        pours = start >= CUE_LAG and random.random() < 0.45
        action = random.choice(["pour_oil", "pour_water"] if pours else ["stir", "cut", "tap", "knock"])
        end = min(frames, start + int(random.integers(18, 40)))
        labels[start:end] = CLASSES.index(action)
        _show(features, action, start, end)
        start = end + int(random.integers(4, 16))
    return features, labels


def _show(features: Features, action: str, start: int, end: int) -> None:
    """Add what can be seen of an action to the features."""
    if action in ("stir", "cut"):
        features[STIR if action == "stir" else CUT, start:end] += 1.5
    elif action in ("tap", "knock"):
        first, second = (FLASH_A, FLASH_B) if action == "tap" else (FLASH_B, FLASH_A)
        features[first, start:end:6] += 2.5
        features[second, start + 2 : end : 6] += 2.5
    else:
        features[POUR, start:end] += 1.5
        features[CUE_OIL if action == "pour_oil" else CUE_WATER, start - CUE_LAG : start - CUE_LAG + 5] += 3.0


def write_dataset(
    folder: Path,
    videos: Mapping[str, tuple[Features, Labels]],
    classes: Sequence[str],
    splits: Sequence[tuple[Sequence[str], Sequence[str]]],
) -> None:
    """Write a data set in the standard layout.

    Args:
        videos: features ``(channels, frames)`` and labels ``(frames,)`` by name.
        splits: the videos to train on and those to test on, split 1 first.
    """
    for name, (features, labels) in videos.items():
        write_atomically(folder / "features" / f"{name}.npy", partial(np.save, arr=features))
        write_text(folder / "groundTruth" / f"{name}.txt", "".join(classes[label] + "\n" for label in labels))
    write_text(folder / "mapping.txt", "".join(f"{index} {name}\n" for index, name in enumerate(classes)))
    for number, parts in enumerate(splits, start=1):
        for part, chosen in zip(("train", "test"), parts, strict=True):
            bundle = folder / "splits" / f"{part}.split{number}.bundle"
            write_text(bundle, "".join(f"{name}.txt\n" for name in chosen))


def write_demo(folder: Path, train: int, test: int, seed: int) -> None:
    """Write the data set; the same seed writes the same files."""
    random = np.random.default_rng(seed)
    names = [f"demo-{index:02d}" for index in range(train + test)]
    videos = {name: make_video(random) for name in names}
    write_dataset(folder, videos, CLASSES, [(names[:train], names[train:])])


def main() -> None:
    """Write the made-up demo data set in the standard layout."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.demo_data",
        description=main.__doc__,
        epilog="example: python -m experiments.demo_data --output data/demo",
    )
    parser.add_argument("--output", type=Path, default=Path("data/demo"), help="its folder (default: %(default)s)")
    parser.add_argument("--train", type=int, default=32, help="training videos (default: %(default)s)")
    parser.add_argument("--test", type=int, default=16, help="test videos (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    arguments = parser.parse_args()
    if arguments.train < 2 or arguments.test < 1 or arguments.seed < 0:
        raise BadInput("at least 2 training videos, 1 test video and a seed of at least 0 are needed")
    write_demo(arguments.output, arguments.train, arguments.test, arguments.seed)
    print(f"{arguments.output}: {arguments.train} training and {arguments.test} test videos (synthetic)")


if __name__ == "__main__":
    run_command(main)
