"""Predictions and scores of a network, by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nas_space.layers.packed_videos import PackedVideos
from tests.trials.training.tiny_training import CPU, start
from trials.data.dataset import Dataset
from trials.data.device_videos import DeviceVideos
from trials.training.scoring import predict, score_network


class Oracle(nn.Module):
    """Predicts the class of the largest feature; the earlier stage is wrong everywhere."""

    def forward(self, videos: PackedVideos) -> Tensor:
        assert videos.offsets == (0, len(videos.features))
        return torch.stack([-videos.features, videos.features])


def test_predict_is_the_softmax_of_the_last_stage() -> None:
    features = np.array([[1.0, 2.0, 4.0], [0.0, 0.0, 0.0]], np.float32)
    probabilities = predict(Oracle(), features, CPU)
    total = math.e + math.e**2 + math.e**4
    expected = [[math.e / total, math.e**2 / total, math.e**4 / total], [1 / 3, 1 / 3, 1 / 3]]
    torch.testing.assert_close(probabilities, torch.tensor(expected))
    assert not probabilities.requires_grad


@pytest.mark.parametrize("rate", [1, 2])
def test_scores_are_at_the_full_rate(tmp_path: Path, rate: int) -> None:
    for part in ("features", "groundTruth"):
        (tmp_path / part).mkdir()
    (tmp_path / "mapping.txt").write_text("0 a\n1 b\n")
    names = ["a", "a", "a", "b", "b", "a", "a"]  # every second one: a a b a, repeated: a a a a b b a
    (tmp_path / "groundTruth" / "x.txt").write_text("\n".join(names))
    np.save(
        tmp_path / "features" / "x.npy", np.array([[name == action for name in names] for action in "ab"], np.float32)
    )
    metrics = score_network(Oracle(), DeviceVideos.on(Dataset(tmp_path, rate), CPU), ["x"], ())
    assert metrics["acc"] == pytest.approx({1: 100, 2: 100 * 5 / 7}[rate])


def test_background_of_scores_is_by_name(dataset: Dataset) -> None:
    videos, _ = dataset.split(1)
    network = start().network
    on_cpu = DeviceVideos.on(dataset, CPU)
    every = [score_network(network, on_cpu, videos, background) for background in ((), dataset.classes)]
    assert every[1]["acc"] == every[0]["acc"]
    assert {every[1][name] for name in ("edit", "f1@10", "f1@25", "f1@50")} == {100.0}
