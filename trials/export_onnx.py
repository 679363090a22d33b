"""Export a trained network as an ONNX file, compared with our own predictions before it is kept."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from common.atomic_file import write_atomically
from common.bad_input import BadInput, KnownFailure, run_command
from common.command_parser import command_parser
from nas_space.layers.plain import PlainNetwork
from nas_space.networks import add_named_network_argument
from trials.data.batches import packed_video
from trials.data.feature_files import Features
from trials.prediction.onnx_network import FEATURES, LABELS, LOGITS, PROBABILITIES, SUFFIX, About, of_content
from trials.training.checkpoint import Checkpoint, load_checkpoint, versions
from trials.training.scoring import forward

LENGTHS = (1, 7, 300, 2000, 6000)
"""Frames of the videos on which both are compared."""
TOLERANCE = 1e-5
"""Largest difference of a logit, as a share of the largest logit, or of 1 if that is less."""
OPSET = 17
"""Of ONNX 1.12 (2022), which other runtimes read, too."""


class Unequal(KnownFailure):
    """The exported network computes something else."""


class _Outputs(nn.Module):
    """``(1, channels, frames)`` -> logits and probabilities ``(1, classes, frames)``, labels ``(1, frames)``."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = PlainNetwork(network)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits = self.network(frames)
        return logits, logits.softmax(dim=1), logits.argmax(dim=1)


def to_onnx(network: nn.Module, about: About) -> bytes:
    """The content of an ONNX file of a network of ``nas_space.networks.build``, for videos of any length."""
    written = io.BytesIO()
    example = torch.zeros(1, about.feature_dim, 50)
    lengths = {name: {2: "frames"} for name in (FEATURES, LOGITS, PROBABILITIES)} | {LABELS: {1: "frames"}}
    with warnings.catch_warnings():  # of what it traces; whether the length matters is measured afterwards
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Outputs(network).eval(),
            (example,),
            written,  # type: ignore[arg-type]  # the older exporter takes a file, too
            input_names=[FEATURES],
            output_names=[LOGITS, PROBABILITIES, LABELS],
            dynamic_axes=lengths,
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load_from_string(written.getvalue())
    onnx.helper.set_model_props(model, about.to_metadata())
    content: bytes = model.SerializeToString()
    return content


def compare(content: bytes, network: nn.Module, feature_dim: int) -> float:
    """Compare the content of an ONNX file with the network itself, on made-up features of several lengths.

    Returns:
        The largest difference of a logit, as a share of the largest one.

    Raises:
        Unequal: it is too large, or a label differs.
    """
    exported, largest = of_content(content), 0.0
    for features in _videos(feature_dim):
        expected = forward(network, packed_video(features, torch.device("cpu")))[-1].numpy()
        logits, _, labels = exported.run(np.ascontiguousarray(features.T[None]))
        scale = max(1.0, float(np.abs(expected).max()))
        difference = float(np.abs(logits[0].T - expected).max()) / scale
        # Between two classes whose logits are that close, both are right.
        chosen = np.take_along_axis(expected, labels[0][:, None], axis=1)[:, 0]
        behind = float((expected.max(axis=1) - chosen).max()) / scale
        if not max(difference, behind) <= TOLERANCE:  # nor NaN
            raise Unequal(
                f"on a video of {len(features)} frames its logits differ by {difference:.1e} of the largest, more than "
                f"{TOLERANCE:.0e}: this network cannot be exported"
            )
        largest = max(largest, difference)
    return largest


def _videos(feature_dim: int) -> Iterator[Features]:
    random = np.random.default_rng(0)
    for frames in LENGTHS:
        yield random.standard_normal((frames, feature_dim), dtype=np.float32)


def about(checkpoint: Checkpoint) -> About:
    """What the ONNX file of a checkpoint says of it."""
    return About(
        feature_dim=checkpoint.feature_dim,
        classes=checkpoint.classes,
        dataset=checkpoint.dataset,
        sample_rate=checkpoint.sample_rate,
        background=checkpoint.background,
        train_videos=checkpoint.train_videos,
        network=checkpoint.network,
        structure=checkpoint.dilations,
        versions={**versions(), "onnx": onnx.__version__},
    )


def main() -> None:
    """Write a trained network as an ONNX file, for videos of any length, and compare it with ours before it is kept."""
    parser = command_parser("trials.export_onnx", main.__doc__, "--checkpoint runs/best/model.pt --output model.onnx")
    parser.add_argument("--checkpoint", type=Path, required=True, help="a model.pt of trials.train")
    parser.add_argument("--output", type=Path, required=True, help="the file to write, NAME.onnx")
    add_named_network_argument(parser)
    arguments = parser.parse_args()
    output: Path = arguments.output
    if output.suffix != SUFFIX:
        raise BadInput(f"--output {output}: the name must end with {SUFFIX}, by which predict knows such files")
    checkpoint = load_checkpoint(arguments.checkpoint, arguments.network)
    network = checkpoint.module(arguments.network)
    content = to_onnx(network, about(checkpoint))
    difference = compare(content, network, checkpoint.feature_dim)
    write_atomically(output, lambda file: file.write(content))
    lengths = ", ".join(map(str, LENGTHS))
    print(f"videos of {lengths} frames: the labels are ours, logits differ by {difference:.1e} of the largest")
    print(output)


if __name__ == "__main__":
    run_command(main)
