"""Memory and time of reading a data set, from feature files and from the cache, for two sizes.

A tenth of Breakfast by default (171 of 1,712 videos, 360,000 of 3.6 million frames, 2048 channels), and a quarter of
that tenth. All videos are equally long, so that all batches are equally large. Each row is a process of its own. The
files were just written: if memory suffices, both are read from the page cache, not from disk.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from benchmarks.reference import HAND
from common.bad_input import BadInput, run_command
from common.command_parser import command_parser
from nas_space.networks import build
from trials.data.batches import Batch
from trials.data.dataset import Dataset
from trials.training.settings import TrainingSettings
from trials.training.training import Training

BATCH_SIZE = 8
CLASSES = 48
CPU = torch.device("cpu")


def generate(folder: Path, videos: int, frames: int, channels: int) -> None:
    """A data set in the standard layout, with random numbers as features."""
    random = np.random.default_rng(0)
    for part in ("features", "groundTruth", "splits"):
        (folder / part).mkdir(parents=True)
    (folder / "mapping.txt").write_text("".join(f"{index} class_{index}\n" for index in range(CLASSES)))
    for video in tqdm(range(videos), unit="video", desc="generating", disable=None):
        np.save(folder / "features" / f"{video}.npy", random.random((channels, frames), np.float32))
        labels = random.integers(CLASSES, size=7).repeat(-(-frames // 7))[:frames]
        (folder / "groundTruth" / f"{video}.txt").write_text("".join(f"class_{label}\n" for label in labels))
    write_split(folder, range(videos))


def write_split(folder: Path, videos: range) -> None:
    """One split, whose training videos are all but the last."""
    for part, names in (("train", videos[:-1]), ("test", videos[-1:])):
        (folder / "splits" / f"{part}.split1.bundle").write_text("".join(f"{video}.txt\n" for video in names))


def link_part(folder: Path, part: Path, videos: int) -> None:
    """A data set of the first videos of another, as hard links to its files."""
    for name in ("features", "groundTruth", "splits"):
        (part / name).mkdir(parents=True)
    for video in range(videos):
        for file in (f"features/{video}.npy", f"groundTruth/{video}.txt"):
            os.link(folder / file, part / file)
    shutil.copy(folder / "mapping.txt", part)
    write_split(part, range(videos))


def peak() -> float:
    """Peak resident memory in MB. Unlike ru_maxrss, it does not include that of the parent."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def measure(folder: Path, cache: Path | None, steps: int) -> dict[str, float]:
    """Cost of checking the data, reading all of it twice in batches, and training some steps."""
    torch.set_num_threads(1)
    dataset = Dataset(folder, cache_folder=cache)
    names = [video for part in dataset.split(1) for video in part]
    channels = dataset.feature_dim(names[0])
    training = Training(build(HAND, channels, CLASSES), TrainingSettings(), CPU)
    row = {"start MB": peak()}
    started = time.perf_counter()
    dataset.check(names, channels)
    row["check s"] = time.perf_counter() - started
    for turn in ("1st", "2nd"):
        started = time.perf_counter()
        for start in range(0, len(names), BATCH_SIZE):
            Batch.of([dataset.load(video) for video in names[start : start + BATCH_SIZE]], CPU)
        row[f"{turn} read s"] = time.perf_counter() - started
    row["peak MB"] = peak()
    started = time.perf_counter()
    for start in range(0, steps * BATCH_SIZE, BATCH_SIZE):
        training.step(Batch.of([dataset.load(video) for video in names[start : start + BATCH_SIZE]], CPU))
    row["step s"] = (time.perf_counter() - started) / steps
    row["trained MB"] = peak()
    return row


def in_own_process(*arguments: Any) -> dict[str, float]:
    """``measure`` in a new process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, *arguments).result()


def main() -> None:
    """Generate data, measure a trial's memory and reading with and without the cache, and delete the data."""
    parser = command_parser("benchmarks.cache_memory", main.__doc__, "--folder /scratch")
    parser.add_argument("--folder", type=Path, required=True, help="where there is room: 5.9 GB for the defaults")
    parser.add_argument("--videos", type=int, default=171, help="(default: %(default)s)")
    parser.add_argument("--frames", type=int, default=2105, help="of each video (default: %(default)s)")
    parser.add_argument("--channels", type=int, default=2048, help="(default: %(default)s)")
    parser.add_argument("--steps", type=int, default=2, help="training steps after reading (default: %(default)s)")
    arguments = parser.parse_args()
    part = arguments.videos // 4
    if part < arguments.steps * BATCH_SIZE:
        raise BadInput(f"--videos {arguments.videos}: a quarter of them must suffice for {arguments.steps} steps")
    size = arguments.videos * arguments.frames * arguments.channels * 4
    free = shutil.disk_usage(arguments.folder).free
    if 2.5 * size > free:
        raise BadInput(f"{arguments.folder}: {2.5 * size / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free")
    folder = Path(tempfile.mkdtemp(prefix="cache-memory-", dir=arguments.folder))
    try:
        generate(folder / "whole", arguments.videos, arguments.frames, arguments.channels)
        link_part(folder / "whole", folder / "quarter", part)
        for name, videos in (("quarter", part), ("whole", arguments.videos)):
            print(f"\n{videos} videos, {size * videos / arguments.videos / 1e6:.0f} MB of features")
            for source, cache in (("files", None), ("packing", folder / "cache"), ("cache", folder / "cache")):
                row = in_own_process(folder / name, cache, arguments.steps)
                if source == "files":
                    print(" " * 8 + "".join(f"{column:>13}" for column in row))
                print(f"{source:<8}" + "".join(f"{value:>13.1f}" for value in row.values()), flush=True)
            shutil.rmtree(folder / "cache")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    run_command(main)
