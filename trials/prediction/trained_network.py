"""A trained network as predictions need it: of a checkpoint, or of an ONNX file, which needs no PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from common.bad_input import BadInput, naming
from nas_space.network import Network
from nas_space.networks import network_from_json
from nas_space.networks.your_own import OwnNetwork
from nas_space.receptive_field import Extent, ReceptiveField
from nas_space.structure import Structure
from trials.data.feature_files import Features, sample
from trials.prediction.onnx_network import SUFFIX, load_onnx

CHUNK = 32_768
"""Frames of a chunk of a long video: some times as many as MS-TCN sees around it."""


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
    reach: Extent | None
    """How far it sees; None for a network of the user's own, of which that is not known for certain."""
    predict: Callable[[Features], npt.NDArray[np.float32]]
    """Class probabilities ``(frames, classes)`` for a video's features ``(frames, channels)``."""

    def predict_file(self, features: npt.NDArray[np.number], path: Path) -> npt.NDArray[np.float32]:
        """Class probabilities of the frames that the network reads, every ``sample_rate``-th: ``(frames, classes)``.

        A long video is read and predicted in chunks, each with as many frames around it as the network sees: its
        probabilities are those of the whole video, and the memory does not grow with it.

        Args:
            features: of the file ``path``, of all frames: ``(channels, frames)``.

        Raises:
            BadInput: see ``sample``.
        """
        rate, frames = self.sample_rate, -(-features.shape[1] // self.sample_rate)
        if self.reach is None or frames <= CHUNK + self.reach.past + self.reach.future:
            return self.predict(sample(features, rate, path))
        chunks = []
        for start in range(0, frames, CHUNK):
            first, end = max(0, start - self.reach.past), start + CHUNK + self.reach.future
            read = sample(features[:, first * rate : end * rate], rate, path, first * rate)
            chunks.append(self.predict(read)[start - first :][:CHUNK])
        return np.concatenate(chunks)


def read_network(file: Path, device: str = "auto", named: Network | None = None) -> TrainedNetwork:
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
    with naming(file):
        reach = _reach(Structure.from_paths(about.structure, network_from_json(about.network)))
    return TrainedNetwork(file, *what, reach, network.predict)


def _reach(structure: Structure) -> Extent | None:
    return None if isinstance(structure.network, OwnNetwork) else ReceptiveField.of(structure).network


def _of_checkpoint(file: Path, device: str, named: Network | None) -> TrainedNetwork:
    from trials.training.checkpoint import load_checkpoint
    from trials.training.device import find_device, handle_out_of_memory
    from trials.training.scoring import predict

    place = find_device(device)
    checkpoint = load_checkpoint(file, named)
    with handle_out_of_memory():
        module = checkpoint.module(named).to(place)

    def probabilities(features: Features) -> npt.NDArray[np.float32]:
        with handle_out_of_memory():
            found: npt.NDArray[np.float32] = predict(module, features, place).numpy()
            return found

    what = (checkpoint.feature_dim, checkpoint.classes, checkpoint.dataset, checkpoint.sample_rate)
    return TrainedNetwork(file, *what, checkpoint.train_videos, _reach(checkpoint.structure(named)), probabilities)
