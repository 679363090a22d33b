"""One video as coloured bars over time: the true segments, and below them each prediction with its errors."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis.plots.colours import ERROR, FAINT, STRIP, Look, class_looks
from analysis.plots.figure_file import legend_below, new_figure, positive_fps, short
from analysis.plots.label_folders import GroundTruth, add_ground_truth_arguments
from common.bad_input import BadInput
from trials.data.label_files import Labels
from trials.training.metrics import Scores, Segments

BAR, GAP, ERROR_BAR = 0.64, 0.06, 0.12
"""Heights within a row of height 1: segments, gap, errors."""


def draw_timeline(
    video: str, truth: GroundTruth, true: Labels, predictions: Mapping[str, Labels], fps: float | None = None
) -> Figure:
    """The figure of one video.

    Args:
        true: class ids ``(frames,)``.
        predictions: class ids by the name of the prediction, from top to bottom; each ``(frames,)`` or shorter.
        fps: frames per second; None: no axis in seconds.
    """
    looks = class_looks(len(truth.classes), truth.background)
    figure = new_figure(1.5 + 0.72 * (1 + len(predictions)))
    axes = figure.add_subplot()
    _draw_segments(axes, true, 0, looks)
    names = [f"ground truth\n{len(Segments.of(true, truth.background))} segments"]
    for row, (name, predicted) in enumerate(predictions.items(), start=1):
        _draw_segments(axes, predicted, row, looks)
        errors = Segments.of((predicted != true[: len(predicted)]).astype(np.int64), background=[0])
        bars = list(zip(errors.starts, errors.ends - errors.starts, strict=True))
        top = row + BAR + GAP
        axes.broken_barh([(0, len(predicted))], (top, ERROR_BAR), facecolors=STRIP)
        axes.broken_barh(bars, (top, ERROR_BAR), facecolors=ERROR, label="errors")
        names.append(f"{short(name)}\n{_scores(predicted, true, truth)}")
    axes.set_ylim(len(names) - 1 + BAR + GAP + ERROR_BAR + 0.05, -0.05)
    axes.set_yticks([row + BAR / 2 for row in range(len(names))], names)
    axes.set_xlim(0, len(true))
    axes.set_xlabel("frame")
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    length = f"{len(true)} frames"
    if fps is not None:
        rate = fps
        conversions = (lambda frame: np.asarray(frame, float) / rate, lambda second: np.asarray(second, float) * rate)
        seconds = axes.secondary_xaxis("top", functions=conversions)
        seconds.set_xlabel("time (s)")
        seconds.spines["top"].set_color(FAINT)
        length += f", {len(true) / fps:.1f} s at {fps:g} fps"
    axes.set_title(f"{short(video, 60)}: {length}")
    present = sorted(set(true) | {label for labels in predictions.values() for label in labels})
    handles = [
        Patch(facecolor=look.colour, hatch=look.hatch, hatchcolor=look.hatch_colour, linewidth=0)
        for look in (looks[identifier] for identifier in present)
    ]
    labels = [truth.classes[identifier] for identifier in present]
    if predictions:
        handles.append(Patch(facecolor=ERROR))
        labels.append("errors (thin bars)")
    legend_below(figure, handles, labels)
    return figure


def _draw_segments(axes: Axes, labels: Labels, row: int, looks: list[Look]) -> None:
    segments = Segments.of(labels)
    for identifier in np.unique(labels):
        chosen = segments.classes == identifier
        extents = zip(segments.starts[chosen], (segments.ends - segments.starts)[chosen], strict=True)
        axes.broken_barh(list(extents), (row, BAR), **_fill(looks[identifier]), label=str(identifier))


def _fill(look: Look) -> dict[str, Any]:
    # White edges separate segments of one colour; wider ones would hide segments of a few pixels.
    edges = {"edgecolor": "white", "linewidth": 0.4}
    return {"facecolors": look.colour, "hatch": look.hatch, "hatchcolor": look.hatch_colour, **edges}


def _scores(predicted: Labels, true: Labels, truth: GroundTruth) -> str:
    scores = Scores(len(truth.classes), truth.background)
    scores.add(predicted, true[: len(predicted)])
    metrics = scores.metrics()
    segments = len(Segments.of(predicted, truth.background))
    return f"{segments} segments\nacc {metrics['acc']:.1f} %, F1@50 {metrics['f1@50']:.1f} %"


def named_folders(words: list[str]) -> dict[str, Path]:
    """Folders by name, from ``NAME=DIR`` or ``DIR``. Raises BadInput for a name that is given twice."""
    folders: dict[str, Path] = {}
    for word in words:
        name, equals, folder = word.partition("=")
        if not equals or Path(word).is_dir():
            name, folder = Path(word).name, word
        if not name or not folder:
            raise BadInput(f"--predictions {word}: expected NAME=DIR")
        if name in folders:
            raise BadInput(f"--predictions: {name!r} comes twice: give each folder a name of its own, NAME=DIR")
        folders[name] = Path(folder)
    return folders


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``timeline``."""
    add_ground_truth_arguments(parser)
    parser.add_argument(
        "--predictions", nargs="+", default=[], metavar="NAME=DIR", help="folders of VIDEO.txt (or VIDEO)"
    )
    parser.add_argument("--video", required=True, help="which video")
    parser.add_argument("--fps", type=float, help="frames per second of the label files: show seconds, too")


def figure_of(arguments: argparse.Namespace) -> Figure:
    """The figure that the options of ``timeline`` ask for. Raises BadInput where a file cannot be used."""
    folders = named_folders(arguments.predictions)
    truth = GroundTruth.from_arguments(arguments)
    video = arguments.video.removesuffix(".txt")
    true = truth.labels(video)
    predictions = {name: truth.predicted(folder, video, true) for name, folder in folders.items()}
    return draw_timeline(video, truth, true, predictions, positive_fps(arguments.fps))
