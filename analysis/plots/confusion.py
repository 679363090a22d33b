"""Confusion between classes, and over- and under-segmentation of each class."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from analysis.plots.colours import BACKGROUND, PREDICTED, TRUE
from analysis.plots.figure_file import WIDTH, legend_below, new_figure, short
from analysis.plots.label_folders import GroundTruth, add_ground_truth_arguments
from trials.data.label_files import Labels, read_bundle
from trials.evaluate import predicted_videos
from trials.training.metrics import Segments

LARGEST_CELL, SMALLEST_CELL, CELL_OF_NUMBERS = 0.5, 0.19, 0.27
"""Inches per class: largest, smallest, and smallest with room for numbers."""
MATRIX, BARS = 9.2, 3.0
"""Inches: width of the matrix, and of the bars beside it."""
LONGEST_CLASS = 24


@dataclass
class Confusion:
    """Frames and segments counted video by video."""

    classes: int
    background: frozenset[int] = frozenset()
    frames: Labels = field(init=False)
    """(classes, classes): frames of each true class by the predicted one."""
    segments: Labels = field(init=False)
    """(2, classes): true and predicted segments, except those of background classes."""
    more: int = 0
    """Videos with more predicted segments than true ones."""
    fewer: int = 0
    videos: int = 0

    def __post_init__(self) -> None:
        self.frames = np.zeros((self.classes, self.classes), dtype=np.int64)
        self.segments = np.zeros((2, self.classes), dtype=np.int64)

    def add(self, predicted: Labels, true: Labels) -> None:
        """Add one video: class ids ``(frames,)`` each, truncated to the shorter."""
        length = min(len(predicted), len(true))
        np.add.at(self.frames, (true[:length], predicted[:length]), 1)
        counts = [
            np.bincount(Segments.of(labels[:length], self.background).classes, minlength=self.classes)
            for labels in (true, predicted)
        ]
        self.segments += np.stack(counts)
        self.videos += 1
        self.more += int(counts[1].sum() > counts[0].sum())
        self.fewer += int(counts[1].sum() < counts[0].sum())

    def shares(self) -> npt.NDArray[np.float64]:
        """(classes, classes): percent of the frames of each true class; NaN where it has none."""
        totals = self.frames.sum(axis=1, keepdims=True)
        return np.where(totals > 0, 100 * self.frames / np.maximum(totals, 1), np.nan)

    def present(self) -> list[int]:
        """Classes that occur in the truth or a prediction."""
        return [int(index) for index in np.flatnonzero(self.frames.sum(axis=0) + self.frames.sum(axis=1))]


def draw_confusion(confusion: Confusion, classes: tuple[str, ...]) -> Figure:
    """The figure of counted videos; ``classes`` are the names by id."""
    present = confusion.present()
    names = [short(classes[index], LONGEST_CLASS) for index in present]
    cell = min(LARGEST_CELL, max(SMALLEST_CELL, MATRIX / len(present)))
    side = max(cell * len(present), 4.0)
    figure = new_figure(side + 0.11 * max(map(len, names)) + 1.6, max(WIDTH, side + BARS + 3.8))
    matrix, bars = figure.subplots(1, 2, width_ratios=[side, BARS])
    size = min(12.0, 0.75 * 72 * cell)
    _draw_matrix(matrix, confusion.shares()[np.ix_(present, present)], size if cell >= CELL_OF_NUMBERS else None)
    for axes in (matrix, bars):
        axes.set_yticks(range(len(present)), names if axes is matrix else [], fontsize=size)
        axes.set_ylim(len(present) - 0.5, -0.5)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    matrix.set_xticks(range(len(present)), names, rotation=90, fontsize=size)
    matrix.set_xlabel("predicted class")
    matrix.set_ylabel("true class")
    matrix.set_title("frames of each true class (%)")
    figure.colorbar(matrix.images[0], ax=matrix, aspect=40, pad=0.01)
    _draw_bars(bars, confusion, present, size)
    true, predicted = confusion.segments.sum(axis=1)
    figure.suptitle(
        f"videos: {confusion.videos} (over-segmented: {confusion.more}, under-segmented: {confusion.fewer}); "
        f"frames: {confusion.frames.sum()}; segments: {predicted} predicted, {true} true",
        fontsize=14,
    )
    legend_below(figure, [Patch(facecolor=TRUE), Patch(facecolor=PREDICTED)], ["true segments", "predicted segments"])
    return figure


def _draw_matrix(axes: Axes, shares: npt.NDArray[np.float64], size: float | None) -> None:
    """Percent by colour, and as numbers of font ``size``, if given; classes without true frames are grey."""
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    axes.set_facecolor(BACKGROUND)
    if size is None:
        return
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.5:
            colour = "white" if share > 55 else "black"
            axes.text(column, row, f"{share:.0f}", color=colour, ha="center", va="center", fontsize=min(size, 10))


def _draw_bars(axes: Axes, confusion: Confusion, present: list[int], size: float) -> None:
    """Segments of each class, true above predicted; background classes have none."""
    counts = confusion.segments[:, present]
    for row, (colour, shift) in enumerate(((TRUE, -0.19), (PREDICTED, 0.19))):
        axes.barh(np.arange(len(present)) + shift, counts[row], height=0.36, color=colour)
    for row, index in enumerate(present):
        true, predicted = counts[:, row]
        text = "background: left out" if index in confusion.background else f"{true} → {predicted}"
        axes.annotate(
            text, (max(true, predicted), row), (4, 0), textcoords="offset points", va="center", fontsize=min(size, 10)
        )
    axes.set_xlim(0, 1.3 * max(counts.max(), 1))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_xlabel("segments in all videos")
    axes.set_title("true → predicted segments")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``confusion``."""
    add_ground_truth_arguments(parser)
    parser.add_argument("--predictions", type=Path, required=True, metavar="DIR", help="folder of VIDEO.txt (or VIDEO)")
    parser.add_argument("--videos", type=Path, metavar="BUNDLE", help="which videos (default: all with a prediction)")


def figure_of(arguments: argparse.Namespace) -> Figure:
    """The figure that the options of ``confusion`` ask for. Raises BadInput where a file cannot be used."""
    truth = GroundTruth.from_arguments(arguments)
    videos = read_bundle(arguments.videos) if arguments.videos else predicted_videos(arguments.predictions)
    confusion = Confusion(len(truth.classes), truth.background)
    for video in videos:
        true = truth.labels(video)
        confusion.add(truth.predicted(arguments.predictions, video, true), true)
    return draw_confusion(confusion, truth.classes)
