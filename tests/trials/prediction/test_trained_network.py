"""Trained networks as predictions need them: a long video in chunks, with the probabilities of the whole one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common.bad_input import BadInput
from nas_space.receptive_field import Extent
from tests.trials.conftest import Command, Trained
from trials import export_onnx
from trials.data.feature_files import Features
from trials.prediction import trained_network
from trials.prediction.trained_network import TrainedNetwork, read_network

FRAMES, CHUNK = 243, 30


@pytest.fixture(params=["checkpoint", "onnx"])
def network(request: pytest.FixtureRequest, trained: Trained, tmp_path: Path, command: Command) -> TrainedNetwork:
    if request.param == "checkpoint":
        return read_network(trained.checkpoint, "cpu")
    command(export_onnx.main, "--checkpoint", trained.checkpoint, "--output", tmp_path / "model.onnx")
    return read_network(tmp_path / "model.onnx", "auto")


@pytest.fixture
def features() -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Of all frames, of which the network reads every second one: ``(channels, frames)``."""
    return np.random.default_rng(0).standard_normal((6, FRAMES), dtype=np.float32)


def test_chunks_have_the_probabilities_of_the_whole_video(
    network: TrainedNetwork, features: Features, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert network.reach == Extent(14, 14)  # 2 stages x (1 + 2 + 4)
    whole = network.predict_file(features, tmp_path)
    assert whole.shape == (122, 3)
    lengths = []

    def predict(read: Features) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        lengths.append(len(read))
        return network.predict(read)

    monkeypatch.setattr(trained_network, "CHUNK", CHUNK)
    chunks = replace(network, predict=predict).predict_file(features, tmp_path)
    np.testing.assert_allclose(chunks, whole, rtol=0, atol=1e-6)
    assert lengths == [30 + 14, 14 + 30 + 14, 14 + 30 + 14, 14 + 30 + 2, 14 + 2]


@pytest.mark.parametrize(("frames", "chunks"), [(CHUNK + 28, 1), (CHUNK + 29, 2)])
def test_only_long_videos_are_parted(
    network: TrainedNetwork, frames: int, chunks: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trained_network, "CHUNK", CHUNK)
    lengths: list[int] = []

    def predict(read: Features) -> Features:
        lengths.append(len(read))
        return read[:, :3]

    noted = replace(network, sample_rate=1, predict=predict)
    assert noted.predict_file(np.ones((6, frames), np.float32), tmp_path).shape == (frames, 3)
    assert len(lengths) == chunks
    unknown = replace(noted, reach=None)
    assert unknown.predict_file(np.ones((6, frames), np.float32), tmp_path).shape == (frames, 3)
    assert lengths[-1] == frames


def test_a_fault_is_named_by_its_frame_in_the_file(
    network: TrainedNetwork, features: Features, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trained_network, "CHUNK", CHUNK)
    features[3, 202] = np.nan
    with pytest.raises(BadInput, match=r"x\.npy: NaN or infinity \(channel 3, frame 202\)"):
        network.predict_file(features, Path("x.npy"))
