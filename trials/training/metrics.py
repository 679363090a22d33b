"""Metrics of temporal action segmentation, in percent, as MS-TCN's evaluation defines them.

* ``acc``: share of correctly classified frames among all frames of all videos, background included.
* ``edit``: 100 x (1 - Levenshtein distance of the two segment sequences / length of the longer), mean over the videos.
* ``f1@k``: a predicted segment is a true positive if its intersection over union with a true segment of its class
  reaches k %; of several that match one true segment, only the first is. Counts are pooled over the videos.

Segments are half-open, [start, end). Segments of background classes are left out of edit and F1.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from common.bad_input import BadInput
from trials.data.label_files import Labels

OVERLAPS = (10, 25, 50)
METRICS = ("acc", "edit", "f1@10", "f1@25", "f1@50")


def read_metrics(content: Any) -> dict[str, float]:
    """The metrics in JSON content, without its other entries.

    Raises:
        KeyError, TypeError: they are missing.
        ValueError: one is not a percentage.
    """
    metrics = {name: content[name] for name in METRICS}
    if not all(type(value) in (int, float) and 0 <= value <= 100 for value in metrics.values()):
        raise ValueError("not percentages")
    return metrics


@dataclass(frozen=True)
class Segments:
    """The segments of one video: three arrays ``(segments,)``, half-open."""

    classes: Labels
    starts: Labels
    ends: Labels

    @classmethod
    def of(cls, labels: Labels, background: Collection[int] = ()) -> Segments:
        """Maximal runs of one class in ``(frames,)`` labels, without those of background classes."""
        starts = np.concatenate([[0], np.flatnonzero(np.diff(labels)) + 1]).astype(np.int64)[: len(labels)]
        ends = np.append(starts[1:], len(labels))[: len(starts)]
        classes = labels[starts]
        foreground = ~np.isin(classes, list(background))
        return cls(classes[foreground], starts[foreground], ends[foreground])

    def __len__(self) -> int:
        return len(self.classes)


def edit_score(predicted: Labels, true: Labels) -> float:
    """100 x (1 - normalised Levenshtein distance) of two sequences of segment classes; 100 where both are empty."""
    longer = max(len(predicted), len(true))
    if longer == 0:
        return 100.0
    columns = np.arange(len(true) + 1)
    distance = columns.copy()
    for row, segment_class in enumerate(predicted, start=1):
        substituted = distance[:-1] + (true != segment_class)
        best = np.concatenate([[row], np.minimum(substituted, distance[1:] + 1)])
        # An insertion adds one per column, so the minimum over all columns to the left is a running minimum.
        distance = np.minimum.accumulate(best - columns) + columns
    return float(100 * (1 - distance[-1] / longer))


def hits(predicted: Segments, true: Segments, overlap: float) -> npt.NDArray[np.bool_]:
    """(true segments,): whether a predicted segment of the same class overlaps each true segment enough.

    Each predicted segment is matched to the true segment of its class with the largest intersection over union.
    """
    found = np.zeros(len(true), dtype=bool)
    if not len(predicted) or not len(true):
        return found
    intersection = np.minimum.outer(predicted.ends, true.ends) - np.maximum.outer(predicted.starts, true.starts)
    union = np.maximum.outer(predicted.ends, true.ends) - np.minimum.outer(predicted.starts, true.starts)
    ratio = np.where(np.equal.outer(predicted.classes, true.classes), intersection / union, 0.0)
    best = ratio.argmax(axis=1)
    found[best[ratio.max(axis=1) >= overlap / 100]] = True
    return found


class Scores:
    """Counts accumulated video by video, and the metrics computed from them."""

    def __init__(self, classes: int, background: frozenset[int] = frozenset()) -> None:
        self.classes = classes
        self.background = background
        self.frames = np.zeros(classes, dtype=np.int64)
        """(classes,): true frames."""
        self.correct_frames = np.zeros(classes, dtype=np.int64)
        """(classes,): correctly classified frames."""
        self.counts = np.zeros((len(OVERLAPS), classes, 3), dtype=np.int64)
        """(overlaps, classes, 3): true positives, false positives and false negatives among segments."""
        self.edits: list[float] = []

    def add(self, predicted: Labels, true: Labels) -> None:
        """Add one video: predicted and true classes, ``(frames,)`` each.

        Raises:
            BadInput: the video has no frames, or the two differ in length.
        """
        if len(predicted) != len(true) or not len(true):
            raise BadInput(f"{len(predicted)} predicted frames for {len(true)} true ones cannot be scored")
        self.frames += np.bincount(true, minlength=self.classes)
        self.correct_frames += np.bincount(true[predicted == true], minlength=self.classes)
        predicted_segments = Segments.of(predicted, self.background)
        true_segments = Segments.of(true, self.background)
        self.edits.append(edit_score(predicted_segments.classes, true_segments.classes))
        predicted_count = np.bincount(predicted_segments.classes, minlength=self.classes)
        true_count = np.bincount(true_segments.classes, minlength=self.classes)
        for index, overlap in enumerate(OVERLAPS):
            found = true_segments.classes[hits(predicted_segments, true_segments, overlap)]
            tp = np.bincount(found, minlength=self.classes)
            self.counts[index] += np.stack([tp, predicted_count - tp, true_count - tp], axis=1)

    def metrics(self) -> dict[str, float]:
        """All of ``METRICS``, in percent."""
        if not self.edits:
            raise BadInput("no videos were scored")
        return {
            "acc": float(100 * self.correct_frames.sum() / self.frames.sum()),
            "edit": float(np.mean(self.edits)),
            **{f"f1@{overlap}": _f1(self.counts[index].sum(axis=0)) for index, overlap in enumerate(OVERLAPS)},
        }

    def class_metrics(self, index: int) -> dict[str, float | None]:
        """Accuracy (recall of its frames) and F1 of one class; None where undefined."""
        scored = index not in self.background and self.counts[0, index].any()
        return {
            "acc": float(100 * self.correct_frames[index] / self.frames[index]) if self.frames[index] else None,
            **{f"f1@{k}": _f1(self.counts[row, index]) if scored else None for row, k in enumerate(OVERLAPS)},
        }


def _f1(counts: Labels) -> float:
    """F1 from (tp, fp, fn); 100 if there are neither true nor predicted segments."""
    tp, fp, fn = counts.tolist()
    return 100 * 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 100.0


def objective_value(metrics: dict[str, float], objective: str) -> float:
    """The value of an objective: one of ``METRICS``, or ``mean``, the mean of all five."""
    if objective == "mean":
        return float(np.mean([metrics[name] for name in METRICS]))
    return metrics[objective]


def with_objective(metrics: dict[str, float], objective: str) -> dict[str, float]:
    """Metrics as NNI takes them, with the objective as ``default``."""
    return {"default": objective_value(metrics, objective), **metrics}
