"""The demo data set: synthetic, so that dilations matter. It says nothing about real videos.

Every video is a sequence of actions of an imaginary cook: cutting, pouring, stirring, for the salad or for the soup.
The action is visible while it lasts, in its own channel. The dish is only visible ``LAG`` frames earlier, in two other
channels, as if somebody called out the orders. So only a network that looks back exactly that far can recognize the
dish: the hand-designed dilations of a small network do not, sums of two powers of two come close, and other dilations
reach it. The orders for the first ``LAG`` frames precede the video and cannot be known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from common.atomic_file import write_atomically, write_text
from common.bad_input import BadInput, run_command
from common.command_parser import command_parser
from trials.data.label_files import write_bundles, write_labels, write_mapping

CLASSES = ("cut_salad", "cut_soup", "pour_salad", "pour_soup", "stir_salad", "stir_soup")
LAG = 44
"""Frames from an order to the action; the nearest powers of two are 32 and 64."""
ACTIONS, DISHES = 3, 2
"""Class ``DISHES * action + dish``; channel ``action`` shows the action, channel ``ACTIONS + dish`` calls the dish."""
CHANNELS = 8
NOISE, SIGNAL = 0.3, 1.5
"""Standard deviation of all channels, and the amplitude of a signal."""

Features = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


def make_video(random: np.random.Generator) -> tuple[Features, Labels]:
    """One video: features ``(channels, frames)`` and labels ``(frames,)``."""
    frames = int(random.integers(250, 320))
    ahead: list[int] = []  # the labels, and those of the LAG frames after the end, whose orders are still called
    while len(ahead) < frames + LAG:
        others = [label for label in range(len(CLASSES)) if not ahead or label != ahead[-1]]
        ahead += [int(random.choice(others))] * int(random.integers(14, 32))
    features = random.normal(scale=NOISE, size=(CHANNELS, frames)).astype(np.float32)
    labels = np.array(ahead[:frames], dtype=np.int64)
    called = np.array(ahead[LAG : LAG + frames], dtype=np.int64)
    features[labels // DISHES, np.arange(frames)] += SIGNAL
    features[ACTIONS + called % DISHES, np.arange(frames)] += SIGNAL
    return features, labels


def write_dataset(
    folder: Path,
    videos: Mapping[str, tuple[Features, Labels]],
    classes: Sequence[str],
    splits: Sequence[tuple[Sequence[str], Sequence[str]]],
) -> None:
    """Write a data set in the standard layout.

    Args:
        videos: features ``(channels, frames)`` and labels ``(frames,)`` by name.
        splits: training and test videos of each split, split 1 first.
    """
    for name, (features, labels) in videos.items():
        write_atomically(folder / "features" / f"{name}.npy", partial(np.save, arr=features))
        write_text(folder / "groundTruth" / f"{name}.txt", write_labels(labels, classes))
    write_text(folder / "mapping.txt", write_mapping(classes))
    for bundle, text in write_bundles(splits).items():
        write_text(folder / "splits" / bundle, text)


def write_demo(folder: Path, train: int, test: int, seed: int) -> None:
    """Write the data set; the same seed writes the same files."""
    random = np.random.default_rng(seed)
    names = [f"demo-{index:02d}" for index in range(train + test)]
    videos = {name: make_video(random) for name in names}
    write_dataset(folder, videos, CLASSES, [(names[:train], names[train:])])


def main() -> None:
    """Write the synthetic demo data set in the standard layout."""
    parser = command_parser("experiments.demo_data", main.__doc__, "--output data/demo")
    parser.add_argument("--output", type=Path, default=Path("data/demo"), help="its folder (default: %(default)s)")
    parser.add_argument("--train", type=int, default=32, help="training videos (default: %(default)s)")
    parser.add_argument("--test", type=int, default=24, help="test videos (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    arguments = parser.parse_args()
    if arguments.train < 2 or arguments.test < 1 or arguments.seed < 0:
        raise BadInput("at least 2 training videos, 1 test video and a seed of at least 0 are needed")
    write_demo(arguments.output, arguments.train, arguments.test, arguments.seed)
    print(f"{arguments.output}: {arguments.train} training and {arguments.test} test videos (synthetic)")


if __name__ == "__main__":
    run_command(main)
