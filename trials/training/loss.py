"""The loss of MS-TCN: cross entropy, and a truncated mean squared error that smooths predictions over time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from nas_space.layers.on_gpu.indexed_offsets import IndexedOffsets
from trials.training.settings import SMOOTHING_WEIGHT, SmoothingAverage

TRUNCATION = 4.0
"""Absolute differences of log-probabilities are truncated to this (tau in the paper)."""
NO_LABEL = -100
"""The label of frames that belong to no video; PyTorch leaves it out of the cross entropy."""


def segmentation_loss(
    logits: Tensor,
    labels: Tensor,
    offsets: Sequence[int],
    smoothing_weight: float = SMOOTHING_WEIGHT,
    smoothing_average: SmoothingAverage = "valid",
) -> Tensor:
    """Sum over the stages of cross entropy + weight x truncated MSE (Abu Farha and Gall, CVPR 2019, equations 5 to 8).

    The truncated MSE is the mean over pairs of neighbouring frames and over classes of
    min(|log p_t - stop_gradient(log p_{t-1})|, 4)^2; frames of different videos are never neighbours.

    Args:
        logits: ``(stages, frames, classes)``.
        labels: ``(frames,)``.
        offsets: ``(videos + 1,)``.
        smoothing_average: ``valid`` is the mean over the existing pairs; ``padded`` divides by the number of pairs
            with every video padded to the longest, as in the first implementation.
    """
    stages, frames, classes = logits.shape
    log_probabilities = F.log_softmax(logits.float() if logits.dtype == torch.bfloat16 else logits, dim=-1)
    cross_entropy = F.nll_loss(log_probabilities.flatten(0, 1), labels.repeat(stages)) * stages
    pairs: Tensor | int
    if isinstance(offsets, IndexedOffsets):
        within_a_video = offsets.same_video()
        pairs = offsets.padded_pairs() if smoothing_average == "padded" else within_a_video.sum()
        pairs = pairs.clamp(min=1)  # without any, what is divided is 0
    else:
        lengths = [end - start for start, end in pairwise(offsets)]
        pairs = len(lengths) * (max(lengths) - 1) if smoothing_average == "padded" else frames - len(lengths)
        if pairs == 0:
            return cross_entropy
        within_a_video = torch.ones(frames - 1, dtype=torch.bool)
        within_a_video[[start - 1 for start in offsets[1:-1]]] = False
    change = log_probabilities[:, 1:] - log_probabilities[:, :-1].detach()
    squared = change.square().clamp(max=TRUNCATION**2)
    smoothing = (squared.sum(dim=(0, 2)) * within_a_video.to(squared)).sum() / (pairs * classes)
    return cross_entropy + smoothing_weight * smoothing
