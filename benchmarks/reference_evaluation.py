"""Prediction and its scores in the usual formulation, frame by frame, to measure against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from torch import Tensor

Names = Sequence[str]
"""The class name of each frame."""
OVERLAPS = (0.1, 0.25, 0.5)


def predicted_names(logits: Tensor, class_ids: Mapping[str, int], sample_rate: int = 1) -> Names:
    """The class names of all frames; ``logits`` (classes, frames)."""
    predicted = logits.argmax(dim=0)
    names: npt.ArrayLike = []
    for frame in range(len(predicted)):
        name = list(class_ids.keys())[list(class_ids.values()).index(int(predicted[frame].item()))]
        names = np.concatenate((names, [name] * sample_rate))
    return list(np.asarray(names))


def reference_scores(
    truth: Sequence[Names], predictions: Sequence[Names], background: Names = ("background",)
) -> dict[str, float]:
    """Metrics of videos, in percent."""
    correct, total, edit = 0, 0, 0.0
    counts = np.zeros((len(OVERLAPS), 3))
    for true, predicted in zip(truth, predictions, strict=True):
        for frame in range(len(true)):
            total += 1
            if true[frame] == predicted[frame]:
                correct += 1
        edit += _edit_score(predicted, true, background)
        for index, overlap in enumerate(OVERLAPS):
            counts[index] += _count_segments(predicted, true, overlap, background)
    scores = {"acc": 100 * correct / total, "edit": edit / len(truth)}
    for overlap, (tp, fp, fn) in zip(OVERLAPS, counts, strict=True):
        precision = tp / (tp + fp) if tp + fp else 0.0
        recall = tp / (tp + fn) if tp + fn else 0.0
        f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        scores[f"f1@{round(100 * overlap)}"] = float(100 * f1)
    return scores


def _segments(frames: Names, background: Names) -> tuple[list[str], list[int], list[int]]:
    names, starts, ends = [], [], []
    last = frames[0]
    if last not in background:
        names.append(last)
        starts.append(0)
    for index in range(len(frames)):
        if frames[index] != last:
            if last not in background:
                ends.append(index)
            if frames[index] not in background:
                names.append(frames[index])
                starts.append(index)
            last = frames[index]
    if last not in background:
        ends.append(len(frames))
    return names, starts, ends


def _edit_score(predicted: Names, true: Names, background: Names) -> float:
    one, _, _ = _segments(predicted, background)
    other, _, _ = _segments(true, background)
    distance = np.zeros((len(one) + 1, len(other) + 1))
    for row in range(len(one) + 1):
        distance[row, 0] = row
    for column in range(len(other) + 1):
        distance[0, column] = column
    for row in range(1, len(one) + 1):
        for column in range(1, len(other) + 1):
            if one[row - 1] == other[column - 1]:
                distance[row, column] = distance[row - 1, column - 1]
            else:
                cheapest = min(distance[row - 1, column], distance[row, column - 1], distance[row - 1, column - 1])
                distance[row, column] = cheapest + 1
    return float(100 * (1 - distance[-1, -1] / max(len(one), len(other), 1)))


def _count_segments(predicted: Names, true: Names, overlap: float, background: Names) -> tuple[int, int, int]:
    """True positives, false positives and false negatives."""
    names, starts, ends = _segments(predicted, background)
    true_names, true_starts, true_ends = _segments(true, background)
    if not names or not true_names:
        return 0, len(names), len(true_names)
    tp, fp, matched = 0, 0, np.zeros(len(true_names))
    for name, start, end in zip(names, starts, ends, strict=True):
        intersection = np.minimum(end, true_ends) - np.maximum(start, true_starts)
        union = np.maximum(end, true_ends) - np.minimum(start, true_starts)
        ratio = intersection / union * [name == other for other in true_names]
        best = int(ratio.argmax())
        if ratio[best] >= overlap and not matched[best]:
            tp += 1
            matched[best] = 1
        else:
            fp += 1
    return tp, fp, len(true_names) - int(matched.sum())
