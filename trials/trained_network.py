"""A trained network as predictions need it: of a checkpoint, or of an ONNX file, which needs no PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from common.bad_input import BadInput
from nas_space.network import Network
from trials.data.feature_files import Features
from trials.onnx_network import SUFFIX, load_onnx


@dataclass(frozen=True)
class TrainedNetwork:
    """What it was trained on, and its predictions."""

    file: Path
    feature_dim: int
    classes: list[str]
    """Class names by id."""
    dataset: str
    sample_rate: int
    train_videos: list[str] | None
    """None in checkpoints of earlier versions."""
    predict: Callable[[Features], npt.NDArray[np.float32]]
    """Class probabilities ``(frames, classes)`` for a video's features ``(frames, channels)``."""


def read_network(file: Path, device: str, named: Network | None = None) -> TrainedNetwork:
    """Read a trained network.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; an ONNX file runs on the CPU.
        named: see ``load_checkpoint``.

    Raises:
        BadInput: the file is missing, damaged, or of something else; or there is no such device.
    """
    if file.suffix != SUFFIX:
        return _of_checkpoint(file, device, named)
    if device not in ("auto", "cpu"):
        raise BadInput(f"{file}: an ONNX network runs on the CPU here: leave --device out")
    network = load_onnx(file)
    about = network.about
    what = (about.feature_dim, about.classes, about.dataset, about.sample_rate, about.train_videos)
    return TrainedNetwork(file, *what, network.predict)


def _of_checkpoint(file: Path, device: str, named: Network | None) -> TrainedNetwork:
    from trials.training.checkpoint import load_checkpoint
    from trials.training.training import find_device, handle_out_of_memory, predict

    place = find_device(device)
    checkpoint = load_checkpoint(file, named)
    with handle_out_of_memory():
        module = checkpoint.module(named).to(place)

    def probabilities(features: Features) -> npt.NDArray[np.float32]:
        with handle_out_of_memory():
            found: npt.NDArray[np.float32] = predict(module, features, place).numpy()
            return found

    what = (checkpoint.feature_dim, checkpoint.classes, checkpoint.dataset, checkpoint.sample_rate)
    return TrainedNetwork(file, *what, checkpoint.train_videos, probabilities)
