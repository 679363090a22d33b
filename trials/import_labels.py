"""Make the labels of a data set from annotated segments."""

from __future__ import annotations

import argparse
import shlex
import sys
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from common.atomic_file import write_text
from common.bad_input import BadInput, run_command
from common.command_parser import command_parser
from trials.data.dataset import Dataset
from trials.data.elan import read_elan
from trials.data.feature_files import open_features
from trials.data.folds import make_splits
from trials.data.known_datasets import defaults_of
from trials.data.label_files import (
    Labels,
    is_class_name,
    read_mapping,
    write_bundles,
    write_labels,
    write_mapping,
)
from trials.data.lengths import length_tolerance
from trials.data.segment_tables import Columns, read_table
from trials.data.segments import (
    MOST_FRAMES,
    FrameSegment,
    Videos,
    first_frame,
    label_frames,
    read_number,
    read_rate,
    to_frames,
)


def read_files(arguments: argparse.Namespace) -> Videos:
    """The segments of all files, by video.

    Raises:
        BadInput: a file is faulty, or two have the same video; or an option is for other files than these.
    """
    elan = [path for path in arguments.files if path.suffix.lower() == ".eaf"]
    if arguments.tier is not None and not elan:
        raise BadInput("--tier is for ELAN files (.eaf), and there is none among these")
    if arguments.subject is not None and len(elan) == len(arguments.files):
        raise BadInput("--subject is for tables of BORIS, and there is none among these")
    if arguments.unit == "frames" and elan:
        raise BadInput(f"{elan[0]}: times of ELAN are seconds: leave --unit frames out")
    columns = None if arguments.columns is None else Columns(*arguments.columns)
    videos: Videos = {}
    for path in arguments.files:
        if path in elan:
            found = read_elan(path, arguments.tier)
        else:
            found = read_table(path, arguments.unit, columns, arguments.subject)
        for video, segments in found.items():
            if video in videos:
                raise BadInput(
                    f"{segments[0].where}: video {video!r} is in another file, too ({videos[video][0].where})"
                )
            videos[video] = segments
    return videos


@dataclass(frozen=True)
class Lengths:
    """The number of frames of each video."""

    features: Path
    """Folder of the feature files, of which some or all may be missing."""
    given: int | None
    """Frames of a video without a feature file; None: up to the end of its last segment."""
    open_end: bool
    """Whether a video may end with its last segment, a few frames before its features."""

    def of(self, video: str, segments: Sequence[FrameSegment]) -> int:
        """The frames of a video.

        Raises:
            BadInput: a segment ends long after the video.
        """
        path = self.features / f"{video}.npy"
        last = segments[-1]
        if path.exists():
            frames = open_features(path).shape[1]
            source, tolerance = str(path), length_tolerance(frames)
        elif self.given is not None:
            frames, source, tolerance = self.given, "--length", 0
        else:
            return last.end
        if last.end > frames + tolerance:
            raise BadInput(
                f"{last.segment.where}: {last.describe()} ends after the video's {frames} frames by {source}: "
                "are --fps and --unit right?"
            )
        return last.end if self.open_end and frames - tolerance <= last.end < frames else frames


def find_classes(mapping: Path, videos: Videos, background: str | None) -> tuple[str, ...]:
    """Class names by id: of ``mapping.txt`` if it is there, else the background, and the labels by alphabet.

    Raises:
        BadInput: the mapping is faulty, or lacks a label.
    """
    labels = {each.label: each.where for segments in videos.values() for each in reversed(segments)}
    if background is not None:
        labels |= {background: "--background"}
    if not mapping.exists():
        return tuple(sorted(labels, key=lambda label: (label != background, label)))
    classes = read_mapping(mapping)
    for label, where in labels.items():
        if label not in classes:
            raise BadInput(f"{where}: {label!r} is not in {mapping}, which is kept: correct either")
    return classes


def frame_rate(arguments: argparse.Namespace, name: str) -> Fraction | None:
    """Frames a second; None if times are frames. Raises BadInput if it is not known."""
    if arguments.unit == "frames":
        if arguments.fps is not None:
            raise BadInput("--fps is for seconds: leave it or --unit frames out")
        return None
    known = defaults_of(name).frames_per_second
    if arguments.fps is None and known is None:
        raise BadInput(
            "give --fps RATE, frames a second of the feature files; or --unit frames if the times are frames"
        )
    return read_rate(str(known) if arguments.fps is None else arguments.fps)


def given_length(text: str | None, rate: Fraction | None) -> int | None:
    """``--length`` in frames. Raises BadInput for an impossible one."""
    if text is None:
        return None
    try:
        frames = first_frame(read_number(text), rate)
    except ValueError:
        frames = 0
    if not 0 < frames <= MOST_FRAMES:
        raise BadInput(f"--length {text}: not the length of a video")
    return frames


def labels_of(
    videos: Videos, lengths: Lengths, classes: Sequence[str], background: str | None, rate: Fraction | None
) -> dict[str, Labels]:
    """The labels of each video. Raises BadInput for overlaps, and for gaps where there is no background."""
    ids = {name: identifier for identifier, name in enumerate(classes)}
    labels, short = {}, []
    for video, segments in videos.items():
        placed = to_frames(segments, rate)
        kept = {each.segment for each in placed}
        short += [each for each in segments if each not in kept]
        if not placed:
            raise BadInput(
                f"{segments[0].where}: video {video!r} has no segment in which a frame starts: is --fps right?"
            )
        labels[video] = label_frames(placed, lengths.of(video, placed), ids, background, rate)
    if short:
        text = f"{len(short)} segments are too short to have a frame: left out ({short[0].where}, ...)"
        warnings.warn(text, stacklevel=2)
    return labels


def new_splits(folder: Path, videos: Iterable[str], arguments: argparse.Namespace) -> dict[Path, str] | None:
    """The text of each list of new splits, of these videos and those that are labelled already; None if there are some.

    Warns if some of the videos are in none of the splits that are there.
    """
    there = sorted((folder / "splits").glob("*.bundle"))
    if there:
        listed = Dataset(folder).videos()
        without = [video for video in videos if video not in listed]
        if without:
            warnings.warn(f"{folder / 'splits'}: kept, and without {some_of(without)}", stacklevel=2)
        return None
    labelled = {path.stem for path in (folder / "groundTruth").glob("*.txt")}
    group = arguments.group if arguments.group is not None else defaults_of(folder.absolute().name).group
    splits = make_splits(sorted({*videos, *labelled}), arguments.folds, arguments.seed, group)
    return {folder / "splits" / bundle: text for bundle, text in write_bundles(splits).items()}


def some_of(videos: Sequence[str]) -> str:
    """How many videos, and the names of the first."""
    return f"{len(videos)} videos ({', '.join(videos[:3])}{', ...' if len(videos) > 3 else ''})"


def main() -> None:
    """Make labels, mapping and splits of a data set from segments: CSV, TSV, ELAN's .eaf or BORIS's aggregated events.

    A mapping and splits that are there are kept. Nothing is written before everything is read.
    """
    arguments = parse_arguments()
    folder: Path = arguments.output
    background: str | None = arguments.background
    if background is not None and not (is_class_name(background) and background.isprintable()):
        raise BadInput(f"--background {background!r}: not a label")
    rate = frame_rate(arguments, folder.absolute().name)
    given = given_length(arguments.length, rate)
    videos = read_files(arguments)
    classes = find_classes(folder / "mapping.txt", videos, background)
    labels = labels_of(videos, Lengths(folder / "features", given, background is None), classes, background, rate)
    splits = new_splits(folder, videos, arguments)
    paths = {video: folder / "groundTruth" / f"{video}.txt" for video in videos}
    there = [path for path in paths.values() if path.exists()]
    if there and not arguments.force:
        raise BadInput(f"{there[0]}: exists ({len(there)} of {len(paths)} label files do): --force overwrites them")

    for video, path in paths.items():
        write_text(path, write_labels(labels[video], classes))
    if not (folder / "mapping.txt").exists():
        write_text(folder / "mapping.txt", write_mapping(classes))
    for path, text in (splits or {}).items():
        write_text(path, text)
    without = [video for video in videos if not (folder / "features" / f"{video}.npy").exists()]
    if without:
        end = "their last segment" if given is None else f"--length {arguments.length}"
        warnings.warn(f"{folder / 'features'}: no features of {some_of(without)}: labelled to {end}", stacklevel=1)
    frames = sum(map(len, labels.values()))
    made = "splits kept" if splits is None else f"{arguments.folds} splits"
    print(f"{len(videos)} videos, {frames} frames, {len(classes)} classes, {made}: {folder}")
    print(f"next: g2l check {shlex.quote(str(folder))}", file=sys.stderr)


def parse_arguments() -> argparse.Namespace:
    """The options of this process."""
    parser = command_parser(
        "trials.import_labels", main.__doc__, "segments.csv --fps 30 --background none --output data/mine"
    )
    parser.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="CSV or TSV with a header, BORIS's aggregated events, .eaf"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="the data set's folder")
    parser.add_argument("--fps", metavar="RATE", help="frames a second of the features (default: the data set's)")
    parser.add_argument(
        "--unit", choices=("seconds", "frames"), default="seconds", help="of the times (default: %(default)s)"
    )
    parser.add_argument(
        "--columns",
        nargs=4,
        metavar=("VIDEO", "START", "END", "LABEL"),
        help="names of a table's columns (default: video start end label, or BORIS's)",
    )
    parser.add_argument("--background", metavar="NAME", help="label of frames without a segment (default: refused)")
    parser.add_argument("--tier", metavar="NAME", help="which tier of ELAN files")
    parser.add_argument("--subject", metavar="NAME", help="whose events of BORIS (default: all)")
    parser.add_argument(
        "--length", metavar="TIME", help="of videos without features (default: to the end of their last segment)"
    )
    parser.add_argument("--folds", type=int, default=5, metavar="K", help="number of new splits (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of new splits (default: %(default)s)")
    parser.add_argument(
        "--group", metavar="REGEX", help="videos with an equal first match group are tested in the same split"
    )
    parser.add_argument("--force", action="store_true", help="overwrite label files")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
