"""Predict with a network, and score what it predicts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from nas_space.layers.packed_videos import PackedVideos
from trials.data.batches import packed_video
from trials.data.device_videos import DeviceVideos
from trials.data.feature_files import Features, repeat_frames
from trials.data.label_files import Labels
from trials.data.lengths import common_frames
from trials.training.metrics import Scores


@torch.no_grad()
def forward(network: nn.Module, videos: PackedVideos) -> Tensor:
    """Logits ``(outputs, frames, classes)``, without dropout."""
    network.eval()
    logits: Tensor = network(videos)
    return logits


def predict(network: nn.Module, features: Features, device: torch.device) -> Tensor:
    """Class probabilities ``(frames, classes)`` of the last output for a video's features ``(frames, channels)``."""
    return forward(network, packed_video(features, device))[-1].softmax(dim=-1).cpu()


def score_network(
    network: nn.Module,
    videos: DeviceVideos,
    names: Sequence[str],
    background: Iterable[str],
    save: Callable[[str, Labels], object] = lambda _, __: None,
) -> dict[str, float]:
    """Metrics of a network on labelled videos, at the full frame rate.

    Args:
        videos: on the device of the network.
        names: of those to score.
        save: called with each video and its predicted class ids ``(frames,)``, of every frame that has features.
    """
    dataset = videos.dataset
    scores = Scores(len(dataset.classes), frozenset(dataset.class_ids[name] for name in background))
    for full_frames, packed in videos.whole(names):
        # The softmax rounds, so that the largest logit need not be the first largest probability.
        classes = forward(network, packed)[-1].softmax(dim=-1).argmax(dim=-1).cpu().numpy()
        for (name, full), of_video in zip(full_frames.items(), np.split(classes, packed.offsets[1:-1]), strict=True):
            true, predicted = dataset.labels(name), repeat_frames(of_video, dataset.sample_rate, full)
            save(name, predicted)
            # Every frame that has features is predicted, and only then cut, as in trials.predict and trials.evaluate.
            frames = common_frames(dataset.feature_path(name), full, len(true))
            scores.add(predicted[:frames], true[:frames])
    return scores.metrics()
