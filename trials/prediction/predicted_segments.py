"""Predictions as a table of segments."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from trials.data.label_files import Labels
from trials.training.metrics import Segments


class PredictedSegments:
    """The segments of predicted videos as CSV: a line each, with seconds if the frame rate is known."""

    def __init__(self, classes: Sequence[str], rate: Fraction | None) -> None:
        """An empty table.

        Args:
            classes: class names by id.
            rate: frames a second.
        """
        self._classes, self._rate = classes, rate
        self._lines = io.StringIO()
        self._writer = csv.writer(self._lines, lineterminator="\n")
        seconds = () if rate is None else ("start_seconds", "end_seconds")
        self._writer.writerow(["video", "label", "start", "end", *seconds, "probability"])

    def add(self, video: str, labels: Labels, probabilities: npt.NDArray[np.floating]) -> None:
        """Add the segments of a video.

        Args:
            labels: ``(frames,)``.
            probabilities: ``(frames,)``, of each frame's label; that of a segment is their mean.
        """
        found = Segments.of(labels)
        means = np.add.reduceat(probabilities.astype(np.float64), found.starts) / (found.ends - found.starts)
        for label, start, end, mean in zip(found.classes, found.starts, found.ends, means, strict=True):
            row = [video, self._classes[label], start, end, *self._seconds(int(start), int(end)), f"{mean:.6f}"]
            self._writer.writerow(row)

    def _seconds(self, *frames: int) -> Iterable[str]:
        return [] if self._rate is None else [f"{float(frame / self._rate):.6f}" for frame in frames]

    def text(self) -> str:
        """The table; ``start`` and ``end`` are frames, half-open."""
        return self._lines.getvalue()
