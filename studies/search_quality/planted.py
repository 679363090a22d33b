"""A made-up data set whose labels need one receptive field: ``python -m studies.search_quality.planted``.

The pair of an action is visible while it lasts; which of the two it is was visible ``--lag`` frames before. Each of the
two stages of a hand-designed network of 5 layers sees 31 frames to either side, and cannot distinguish the two. Both
channels are noisy, so a network must also average over several frames. The data says nothing about real videos. The
file ``sees.json`` beside it is a structure of that size that sees both.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from common.bad_input import BadInput, run_command
from common.command_parser import command_parser
from experiments.demo_data import Features, Labels, write_dataset
from nas_space.networks import find_network
from nas_space.structure import Structure
from nas_space.structure_files import write_structure

PAIRS = 3
CHANNELS = 8
NOISE = 1.0
SPLITS = 5

CLASSES = tuple(f"{pair}{which}" for pair in "abc" for which in (1, 2))


def make_video(random: np.random.Generator, lag: int) -> tuple[Features, Labels]:
    """One video: features ``(channels, frames)`` and labels ``(frames,)``."""
    frames = int(random.integers(380, 460))
    # Beyond the end, too: the last frames show what would follow.
    labels: list[int] = []
    while len(labels) < frames + lag:
        others = [label for label in range(2 * PAIRS) if not labels or label != labels[-1]]
        labels += [int(random.choice(others))] * int(random.integers(15, 45))
    actions = np.array(labels)
    features = random.normal(scale=NOISE, size=(CHANNELS, frames)).astype(np.float32)
    shown, later = actions[:frames], actions[lag : lag + frames]
    features[shown // 2, np.arange(frames)] += 1.5
    features[PAIRS + later % 2, np.arange(frames)] += 1.5
    return features, shown.astype(np.int64)


def write_planted(folder: Path, videos: int, seed: int, lag: int) -> None:
    """Write the data set; each video is a test video of one split. The same seed writes the same files."""
    random = np.random.default_rng(seed)
    names = [f"planted-{index:02d}" for index in range(videos)]
    made = {name: make_video(random, lag) for name in names}
    tested = [names[split::SPLITS] for split in range(SPLITS)]
    splits = [([name for name in names if name not in test], test) for test in tested]
    write_dataset(folder, made, CLASSES, splits)


def structure_that_sees(lag: int) -> Structure:
    """``hand`` of two stages of 5 layers, except that the first stage's last layer has a dilation of ``lag``."""
    return Structure((1, 2, 4, 8, max(lag, 1), 1, 2, 4, 8, 16), find_network("ms-tcn:stages=2,layers=5"))


def main() -> None:
    """Write a made-up data set whose labels need one receptive field, in the standard layout, with five splits."""
    parser = command_parser("studies.search_quality.planted", main.__doc__, "--output data/planted")
    parser.add_argument("--output", type=Path, default=Path("data/planted"), help="its folder (default: %(default)s)")
    parser.add_argument("--videos", type=int, default=40, help="(default: %(default)s)")
    parser.add_argument(
        "--lag",
        type=int,
        default=100,
        help="frames between an action and what distinguishes it from the other of its pair (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    arguments = parser.parse_args()
    if arguments.videos < 2 * SPLITS or min(arguments.seed, arguments.lag) < 0:
        raise BadInput(f"at least {2 * SPLITS} videos, a seed and a lag of at least 0 are needed")
    write_planted(arguments.output, arguments.videos, arguments.seed, arguments.lag)
    write_structure(structure_that_sees(arguments.lag), arguments.output / "sees.json")
    print(f"{arguments.output}: {arguments.videos} videos, {SPLITS} splits (synthetic)")


if __name__ == "__main__":
    run_command(main)
