"""Check a data set without training: report every fault with its file, and statistics of the rest."""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from tqdm import tqdm

from common.bad_input import BadInput, one_line, run_command
from common.command_parser import command_parser
from trials.data.arguments import SEARCH_FRACTION, add_holdout_arguments, held_out, split_number
from trials.data.dataset import Dataset, check_sample_rate, find_dataset
from trials.data.feature_cache.cache import default_cache_folder
from trials.data.feature_cache.check import check_caches
from trials.data.feature_files import open_features, sample
from trials.data.feature_spread import FeatureSpread
from trials.data.holdout import check_holdout
from trials.data.known_datasets import background_classes
from trials.data.label_files import Labels, read_labels, read_lines
from trials.data.learnable import Part, doubts_of_parts
from trials.data.lengths import common_frames, cut_warning, transposed_message, transposed_videos
from trials.training.metrics import Segments

Result = TypeVar("Result")


@dataclass
class DataCheck:
    """The check of a data set: its faults, and statistics of its valid videos."""

    dataset: Dataset
    background: Sequence[str] = ()
    faults: list[str] = field(default_factory=list)
    mapping_is_faulty: bool = False
    doubts: list[str] = field(default_factory=list)
    """Reasons why there may be little to learn or to compare."""
    splits: dict[int, tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=dict)
    """Training and test videos by number of the split."""
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """(channels, frames) of each feature file, from its header."""
    feature_dims: dict[str, int] = field(default_factory=dict)
    """Feature dimension of each video."""
    spreads: dict[int, FeatureSpread] = field(default_factory=dict)
    """Of the features of all valid videos, by their dimension."""
    frames: dict[str, int] = field(default_factory=dict)
    """Frames of each valid video, at the sample rate."""
    segments: dict[str, int] = field(default_factory=dict)
    """Segments of each valid video, without background."""
    class_frames: Counter[str] = field(default_factory=Counter)
    cuts: list[int] = field(default_factory=list)
    """By how many frames features and labels differ, for each video in which they do."""
    _labels: dict[str, Any] = field(default_factory=dict)

    def attempt(self, check: Callable[[], Result]) -> Result | None:
        """The result of a check; None if it fails, which adds its fault."""
        try:
            return check()
        except BadInput as fault:
            if str(fault) not in self.faults:
                self.faults.append(str(fault))
            return None

    def videos(self) -> list[str]:
        """All videos of the splits."""
        return sorted({video for parts in self.splits.values() for videos in parts for video in videos})

    def check_files(self, splits: Sequence[int]) -> None:
        """Check mapping and bundles, and that every video has its two files; read no features."""
        self.mapping_is_faulty = self.attempt(lambda: self.dataset.classes) is None
        for number in splits:
            found = self.attempt(partial(self.dataset.bundles, number))
            if found is not None:
                self.splits[number] = found
                self.attempt(partial(self.dataset.split, number))
        for video in self.videos():
            for path, what in (
                (self.dataset.feature_path(video), "feature"),
                (self.dataset.label_path(video), "label"),
            ):
                if not path.is_file():
                    self.faults.append(f"{path}: no such {what} file")

    def check_learnable(self, arguments: argparse.Namespace) -> None:
        """Check that there is something to learn, in a final training and in a search.

        Args:
            arguments: how a search holds out videos, and the name of the data set.
        """
        parts: list[Part] = []
        for number, (train, test) in self.splits.items():
            divided = self.attempt(partial(held_out, arguments, train))
            if self.mapping_is_faulty or any(self.labels(video) is None for video in train):
                continue  # which is a fault
            parts.append(Part("split", number, train, test))
            if divided is not None and divided[1]:
                parts.append(Part("a search on split", number, *divided))
        faults, doubts = doubts_of_parts(parts, self._labels.__getitem__, tuple(self.class_ids))
        self.faults += faults
        self.doubts += doubts

    def check_videos(self) -> None:
        """Read every video whose files exist."""
        differ: dict[str, str] = {}
        for video in tqdm(self.videos(), unit="video", disable=None, leave=False):
            fault = self._check_video(video)
            if fault is not None:
                differ[video] = fault
        frames = {video: len(labels) for video in self.shapes if (labels := self.labels(video)) is not None}
        shapes = {video: self.shapes[video] for video in frames}
        transposed = transposed_videos(shapes, frames)
        if transposed:
            self.faults.append(transposed_message(self.dataset.files.folder, transposed, shapes, frames))
        self.faults += [fault for video, fault in differ.items() if video not in transposed]
        self.feature_dims = {video: shape[0] for video, shape in self.shapes.items() if video not in transposed}
        usual = Counter(self.feature_dims.values()).most_common(1)
        for video, dim in self.feature_dims.items():
            if dim != usual[0][0]:
                path = self.dataset.feature_path(video)
                self.faults.append(f"{path}: {dim} channels, but most files have {usual[0][0]}")
        if len(self.spreads) == 1:
            self.doubts += self.attempt(next(iter(self.spreads.values())).doubts) or []

    def labels(self, video: str) -> Labels | None:
        """(frames,): the labels of a video at the rate of the files; None if they are faulty."""
        if video not in self._labels:
            path, ids = self.dataset.label_path(video), self.class_ids
            labels = self.attempt(lambda: read_labels(path, ids)) if path.is_file() and ids else None
            self._labels[video] = labels if labels is None else labels.astype(np.min_scalar_type(len(ids)))
        return self._labels[video]

    @cached_property
    def class_ids(self) -> dict[str, int]:
        """Class ids by name; of a faulty mapping those that can be read, to check the label files."""
        with suppress(BadInput):
            return self.dataset.class_ids
        with suppress(BadInput):
            lines = read_lines(self.dataset.folder / "mapping.txt")
            names = dict.fromkeys(line.partition(" ")[2].strip() for line in lines)
            return {name: identifier for identifier, name in enumerate(names)}
        return {}

    def _check_video(self, video: str) -> str | None:
        """Check one video; returns its fault if features and labels differ in length: the file may be transposed."""
        dataset, path, labels = self.dataset, self.dataset.feature_path(video), self.labels(video)
        features = self.attempt(lambda: open_features(path)) if path.is_file() else None
        if features is None:
            return None
        self.shapes[video] = features.shape
        frames = 0
        if labels is not None:
            try:
                frames = common_frames(path, features.shape[1], len(labels))
            except BadInput as fault:
                # Such a file is not read: it may claim more frames than fit into memory.
                return str(fault)
        sampled = self.attempt(lambda: sample(features, dataset.sample_rate, path))
        if sampled is None or labels is None:
            return None
        self.spreads.setdefault(features.shape[0], FeatureSpread()).add(video, sampled)
        if features.shape[1] != len(labels):
            self.cuts.append(abs(features.shape[1] - len(labels)))
        self.frames[video] = len(labels[: frames : dataset.sample_rate])
        self.segments[video] = len(Segments.of(labels[:frames], {self.class_ids[name] for name in self.background}))
        shares = np.bincount(labels[:frames], minlength=len(self.class_ids))
        self.class_frames.update({name: int(shares[index]) for name, index in self.class_ids.items()})
        return None

    def summary(self) -> dict[str, Any]:
        """The statistics as JSON content."""
        total = max(1, self.class_frames.total())
        return {
            "videos": len(self.frames),
            "frames": sum(self.frames.values()),
            "sample_rate": self.dataset.sample_rate,
            "feature_dimensions": sorted(set(self.feature_dims.values())),
            "segments_per_video": round(float(np.mean(list(self.segments.values()))), 1) if self.segments else None,
            "splits": {
                number: {
                    part: _lengths([self.frames[video] for video in videos if video in self.frames])
                    for part, videos in zip(("train", "test"), parts, strict=True)
                }
                for number, parts in self.splits.items()
            },
            "classes": {name: round(100 * count / total, 2) for name, count in self.class_frames.most_common()},
            "doubts": self.doubts,
            "faults": self.faults,
        }


def _lengths(frames: list[int]) -> dict[str, Any]:
    if not frames:
        return {"videos": 0}
    middle = {"median": float(np.median(frames)), "mean": round(float(np.mean(frames)), 1)}
    return {"videos": len(frames), "min": min(frames), **middle, "max": max(frames)}


def print_summary(content: dict[str, Any]) -> None:
    """Print the statistics as a table."""
    dims = "/".join(map(str, content["feature_dimensions"]))
    print(
        f"{content['videos']} videos, {content['frames']} frames (one of {content['sample_rate']} is read), "
        f"{len(content['classes'])} classes, feature dimension {dims}, "
        f"{content['segments_per_video']} segments a video without background"
    )
    print(f"\n{'split':<8}{'part':<7}{'videos':>7}{'frames: min':>13}{'median':>9}{'mean':>9}{'max':>7}")
    for number, parts in content["splits"].items():
        for part, row in parts.items():
            lengths = [f"{row.get(name, '-'):>{width}}" for name, width in (("min", 13), ("median", 9), ("mean", 9))]
            print(f"{number:<8}{part:<7}{row['videos']:>7}{''.join(lengths)}{row.get('max', '-'):>7}")
    print("\nshare of frames in percent")
    for name, share in content["classes"].items():
        print(f"{share:7.2f}  {name}")


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The options; None: those of this process. Raises BadInput for invalid values."""
    parser = command_parser("trials.check_data", main.__doc__, "data/50salads")
    parser.add_argument("folder", type=Path, nargs="?", metavar="DIR", help="the data set (or --dataset)")
    parser.add_argument("--dataset", metavar="NAME", help="its name in the data root")
    parser.add_argument("--data-root", type=Path, help="folder of data sets (default: $G2L_DATA_ROOT, else ./data)")
    parser.add_argument("--split", metavar="K", help="check the videos of this split only (default: of all splits)")
    parser.add_argument("--sample-rate", type=int, metavar="N", help="read every N-th frame (default: the data set's)")
    parser.add_argument(
        "--files-only", action="store_true", help="read the labels, but not the features (for a search)"
    )
    parser.add_argument(
        "--cache",
        type=Path,
        nargs="?",
        const=default_cache_folder(),
        metavar="FOLDER",
        help="also compare the packed features in FOLDER (default: where trainings look for them) with the files",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_holdout_arguments(parser, fraction=SEARCH_FRACTION)
    arguments = parser.parse_args(words)
    if (arguments.folder is None) == (arguments.dataset is None):
        raise BadInput("give either the folder of a data set, or its name with --dataset")
    if arguments.split is not None:
        split_number(arguments.split)
    if arguments.sample_rate is not None:
        check_sample_rate(arguments.sample_rate)
    if arguments.validation_fraction != 0:  # else there will be no search
        check_holdout(arguments.validation_fraction, arguments.validation_seed, arguments.group)
    return arguments


def main() -> None:
    """Check every file of a data set; print statistics, or every fault with its file (exit code 2)."""
    arguments = parse_arguments()
    folder = arguments.folder.absolute() if arguments.folder is not None else None
    name = folder.name if folder is not None else arguments.dataset
    dataset = find_dataset(name, folder.parent if folder is not None else arguments.data_root, arguments.sample_rate)

    check = DataCheck(dataset)
    check.background = check.attempt(lambda: background_classes(name, dataset.classes)) or ()
    check.check_files(dataset.splits() if arguments.split is None else [split_number(arguments.split)])
    arguments.dataset = name
    check.check_learnable(arguments)
    if not arguments.files_only:
        check.check_videos()
        if not check.frames and not arguments.json:
            print("no video is in order")
        elif arguments.json:
            print(json.dumps(check.summary(), indent=2))
        else:
            print_summary(check.summary())
    elif not check.faults:
        print(f"{dataset.folder}: {len(check.videos())} videos, all files are there")
    if arguments.cache is not None:
        for line in check_caches(dataset.folder, arguments.cache, check.faults):
            print(line, file=sys.stderr)
    for doubt in check.doubts:
        warnings.warn(doubt, stacklevel=1)
    if check.cuts:
        warnings.warn(cut_warning(check.cuts, len(check.videos())), stacklevel=1)
    for fault in check.faults:
        print(f"fault: {one_line(fault)}", file=sys.stderr)
    if check.faults:
        raise BadInput(f"{dataset.folder}: {len(check.faults)} fault(s), listed above")


if __name__ == "__main__":
    run_command(main)
