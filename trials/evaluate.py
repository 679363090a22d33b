"""Score a folder of predicted label files against the true ones."""

from __future__ import annotations

import json
import warnings
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.bad_input import BadInput, run_command
from common.command_parser import command_parser
from nas_space.network import Network
from nas_space.networks import add_named_network_argument
from trials.data.label_files import Labels, read_bundle, read_lines
from trials.data.lengths import length_tolerance
from trials.table import metrics_table
from trials.training.metrics import METRICS, Scores


def read_predicted_lines(folder: Path, video: str) -> list[str]:
    """The predicted class names of a video, from ``VIDEO.txt``, or from ``VIDEO`` as MS-TCN's code writes it.

    MS-TCN's files hold a heading (``### Frame level recognition: ###``), then all class names in one line.
    """
    path = folder / f"{video}.txt"
    if not path.exists() and (folder / video).is_file():
        path = folder / video
    lines = read_lines(path)
    if lines and lines[0].startswith("###"):
        lines = " ".join(lines[1:]).split()
    return checked(lines, path)


def checked(lines: list[str], path: Path) -> list[str]:
    """The lines of a label file. Raises BadInput if there are none, or one is blank."""
    if not lines:
        raise BadInput(f"{path}: empty label file")
    if "" in lines:
        raise BadInput(f"{path}, line {lines.index('') + 1}: no class name")
    return lines


def predicted_videos(folder: Path) -> tuple[str, ...]:
    """The videos with predictions in a folder."""
    if not folder.is_dir():
        raise BadInput(f"{folder}: no such folder")
    videos = {path.stem for path in folder.glob("*.txt")}
    videos |= {path.name for path in folder.iterdir() if path.is_file() and not path.suffix and path.name[0] != "."}
    if not videos:
        raise BadInput(f"{folder}: no label files there")
    return tuple(sorted(videos))


@dataclass(frozen=True)
class LabelledVideos:
    """Predicted and true class ids of videos, ``(frames,)`` each, cut to the shorter."""

    labels: dict[str, tuple[Labels, Labels]]
    """By video."""
    classes: list[str]
    """Class names by id."""
    background: frozenset[int]

    def scores(self, videos: Iterable[str]) -> Scores:
        """The scores of some of the videos."""
        scores = Scores(len(self.classes), self.background)
        for video in videos:
            scores.add(*self.labels[video])
        return scores


def read_folders(
    ground_truth: Path, predictions: Path, videos: tuple[str, ...], background: list[str] | None
) -> LabelledVideos:
    """The label files of videos.

    Args:
        background: class names excluded from edit and F1; None: ``background``, if it is in a label file.

    Raises:
        BadInput: a file is missing or empty, or the lengths of two files differ by more than ``length_tolerance``.
    """
    true_paths = [ground_truth / f"{video}.txt" for video in videos]
    true_lines = [checked(read_lines(path), path) for path in true_paths]
    predicted_lines = [read_predicted_lines(predictions, video) for video in videos]
    classes = sorted({name for lines in true_lines + predicted_lines for name in lines})
    ids = {name: identifier for identifier, name in enumerate(classes)}
    names = ["background"] if background is None and "background" in classes else background or []
    for name in names:
        if name not in ids:
            raise BadInput(f"background class {name!r} is in none of the label files")

    labels: dict[str, tuple[Labels, Labels]] = {}
    cut = 0
    for video, true, predicted in zip(videos, true_lines, predicted_lines, strict=True):
        if abs(len(true) - len(predicted)) > length_tolerance(len(true)):
            raise BadInput(f"{predictions / video}.txt: {len(predicted)} frames, but {len(true)} are labelled")
        cut += len(true) != len(predicted)
        frames = min(len(true), len(predicted))
        labels[video] = (_ids(predicted[:frames], ids), _ids(true[:frames], ids))
    if cut:
        warnings.warn(f"{cut} of {len(videos)} predictions differ in length: cut to the shorter", stacklevel=2)
    return LabelledVideos(labels, classes, frozenset(ids[name] for name in names))


def _ids(lines: list[str], ids: dict[str, int]) -> Labels:
    return np.fromiter(map(ids.__getitem__, lines), dtype=np.int64, count=len(lines))


def overlap_message(checkpoint: Path, trained_on: Collection[str] | None, videos: Sequence[str]) -> str | None:
    """The warning that some videos are training videos, or may be (if None is given for these); None if none is."""
    if trained_on is None:
        return (
            f"{checkpoint}: made by an earlier version, which did not note the training videos: "
            "whether these are among them is not known"
        )
    seen = [video for video in videos if video in trained_on]
    if not seen:
        return None
    names = ", ".join(seen[:NAMED]) + (", ..." if len(seen) > NAMED else "")
    return f"{checkpoint} was trained on {len(seen)} of these {len(videos)} videos ({names})"


NAMED = 3
"""Number of videos named in a message."""
PARTS = {"seen": "of the training", "unseen": "not of the training"}
"""Names in the table for the videos that a network was trained on, and the others."""


def _parts(checkpoint: Path, network: Network | None, videos: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The videos that the network was trained on and the others, as PARTS; empty if that is not known."""
    # Imported here: scores without a checkpoint need no PyTorch.
    from trials.training.checkpoint import load_checkpoint

    trained_on = load_checkpoint(checkpoint, network).train_videos
    message = overlap_message(checkpoint, trained_on, videos)
    if message is not None:
        warnings.warn(message, stacklevel=1)
    if trained_on is None:
        return {}
    seen = tuple(video for video in videos if video in trained_on)
    return {"seen": seen, "unseen": tuple(video for video in videos if video not in trained_on)}


def main() -> None:
    """Score predicted label files: accuracy, edit and F1@10,25,50 in percent, as MS-TCN's evaluation defines them."""
    parser = command_parser(
        "trials.evaluate", main.__doc__, "--ground-truth data/gtea/groundTruth --predictions predictions"
    )
    parser.add_argument("--ground-truth", type=Path, required=True, metavar="DIR", help="folder of VIDEO.txt")
    parser.add_argument("--predictions", type=Path, required=True, metavar="DIR", help="folder of VIDEO.txt (or VIDEO)")
    parser.add_argument("--videos", type=Path, metavar="BUNDLE", help="which videos (default: all that are predicted)")
    parser.add_argument(
        "--background",
        nargs="*",
        metavar="NAME",
        help="classes that edit and F1 leave out (default: 'background', if there is one; no name: none)",
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="the model.pt that predicted them: score the videos of its training apart from the others",
    )
    add_named_network_argument(parser)
    parser.add_argument("--per-class", action="store_true", help="also score each class")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    videos = read_bundle(arguments.videos) if arguments.videos else predicted_videos(arguments.predictions)
    parts = {}
    if arguments.checkpoint is not None:
        parts = _parts(arguments.checkpoint, arguments.network, videos)
    labelled = read_folders(arguments.ground_truth, arguments.predictions, videos, arguments.background)
    scores, classes = labelled.scores(videos), labelled.classes
    by_part = {name: labelled.scores(part).metrics() for name, part in parts.items() if part}
    by_class = {name: scores.class_metrics(index) for index, name in enumerate(classes)}
    if arguments.json:
        result: dict[str, object] = {"videos": len(videos), **scores.metrics()}
        result["background"] = [classes[index] for index in sorted(scores.background)]
        for name, part in parts.items():
            result[name] = {"videos": len(part), "names": part, **by_part.get(name, {})}
        if arguments.per_class:
            result["classes"] = by_class
        print(json.dumps(result, indent=2))
        return
    rows: dict[str, dict[str, float | None]] = {f"{len(videos)} videos": dict(scores.metrics())}
    rows |= {f"{len(parts[name])} {PARTS[name]}": dict(metrics) for name, metrics in by_part.items()}
    if arguments.per_class:
        rows |= by_class
    print(metrics_table(rows, METRICS))


if __name__ == "__main__":
    run_command(main)
