"""Export a trained network to label a video while it is recorded: see ``trials.prediction.streaming``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast, get_args

import numpy as np
import torch
from torch import Tensor, nn

from common.bad_input import BadInput, KnownFailure, run_command
from common.command_parser import command_parser
from nas_space.layers.convolutions import DilatedConv, LeftOut, PointwiseConv
from nas_space.layers.dual_stage import DualStage
from nas_space.layers.residual import DilatedResidualLayer
from nas_space.layers.stages import Stage, StagedNetwork
from nas_space.network import Network
from nas_space.networks import add_named_network_argument
from trials.data.batches import packed_video
from trials.prediction.stream_layers import Floats, Pointwise, Residual, softmax
from trials.prediction.streaming import Precision, Stream, write_stream
from trials.training.checkpoint import Checkpoint, load_checkpoint, versions
from trials.training.scoring import forward

SUFFIX = ".npz"
FRAMES = 300
"""Length of the made-up video on which both are compared."""
TOLERANCE = 1e-5
"""Largest difference of a probability."""


class Unequal(KnownFailure):
    """The exported network computes something else."""


def stream_layers(network: nn.Module) -> list[Pointwise | Residual]:
    """The layers of a network of ours, in order; with its own precision.

    Raises:
        BadInput: it is a network of the user's own.
    """
    if not isinstance(network, StagedNetwork):
        raise BadInput("only our own networks can be streamed: what another one keeps from frame to frame is not known")
    first, *later = network.applied()
    layers = list(_stage(first, softmax=False))
    for stage in later:
        layers += _stage(stage, softmax=True)
    return layers


def _stage(stage: nn.Module, softmax: bool) -> Iterator[Pointwise | Residual]:
    if isinstance(stage, Stage):
        yield _pointwise(stage.conv_1x1, softmax)
        for layer in stage.layers:
            both = cast(DilatedResidualLayer, layer).convolutions()
            if both is not None:
                conv, pointwise = both
                yield _residual(conv.taps(), cast(Tensor, conv.bias), _matrix(pointwise))
        yield _pointwise(stage.conv_out, softmax=False)
        return
    dual = cast(DualStage, stage)
    yield _pointwise(dual.conv_1x1_in, softmax)
    for first, second, fusion in zip(dual.conv_dilated_1, dual.conv_dilated_2, dual.conv_fusion, strict=True):
        kept = [conv for conv in (first, second) if isinstance(conv, DilatedConv)]
        if not isinstance(fusion, LeftOut):
            yield _fused(kept, cast(PointwiseConv, fusion))
    yield _pointwise(dual.conv_out, softmax=False)


def _fused(convs: Sequence[DilatedConv], fusion: PointwiseConv) -> Residual:
    """A dual dilated layer: what its convolutions are multiplied by afterwards is part of their taps here."""
    taps: dict[int, Tensor] = {}
    bias = cast(Tensor, fusion.bias)
    for conv, part in zip(convs, fusion.weight[:, :, 0].chunk(len(convs), dim=1), strict=True):
        for frame, tap in conv.taps().items():
            taps[frame] = taps.get(frame, 0) + part @ tap
        bias = bias + part @ cast(Tensor, conv.bias)
    return _residual(taps, bias, None)


def _residual(taps: dict[int, Tensor], bias: Tensor, after: tuple[Floats, Floats] | None) -> Residual:
    frames = sorted(taps)
    return Residual(frames, _array(torch.cat([taps[frame].T for frame in frames])), _array(bias), after)


def _pointwise(conv: PointwiseConv, softmax: bool) -> Pointwise:
    return Pointwise(*_matrix(conv), softmax)


def _matrix(conv: PointwiseConv) -> tuple[Floats, Floats]:
    return _array(conv.weight[:, :, 0].T), _array(cast(Tensor, conv.bias))


def _array(values: Tensor) -> Floats:
    return np.ascontiguousarray(values.detach().numpy())


def export(checkpoint: Checkpoint, path: Path, precision: Precision, named: Network | None = None) -> float:
    """Write the file of a stream, and compare it with the network itself.

    Returns:
        The largest difference of a probability on a made-up video.

    Raises:
        BadInput: the network cannot be streamed.
        Unequal: the difference is too large; no file is left.
    """
    network = checkpoint.module(named).to(getattr(torch, precision))
    about = {name: getattr(checkpoint, name) for name in ("classes", "sample_rate", "feature_dim", "network")}
    about |= {"structure": checkpoint.dilations, "versions": versions()}
    layers, unchecked = stream_layers(network), path.with_name(f".{path.name}.unchecked")
    features = np.random.default_rng(0).standard_normal((FRAMES, checkpoint.feature_dim)).astype(precision)
    expected = softmax(forward(network, packed_video(features, torch.device("cpu")))[-1].numpy())
    try:
        write_stream(unchecked, layers, about)
        stream = Stream(unchecked)
        found = np.concatenate([*(stream.step(frame) for frame in features), stream.finish()])
        difference = float(np.abs(found - expected).max())
        if not difference <= TOLERANCE:
            raise Unequal(f"a probability differs by {difference:.1e}: this network cannot be streamed")
        unchecked.replace(path)
    finally:
        unchecked.unlink(missing_ok=True)
    return difference


def main() -> None:
    """Write a trained network as a file that labels a video frame by frame, with numpy alone."""
    parser = command_parser("trials.export_stream", main.__doc__, "--checkpoint runs/best/model.pt --output stream.npz")
    parser.add_argument("--checkpoint", type=Path, required=True, help="a model.pt of trials.train")
    parser.add_argument("--output", type=Path, required=True, help="the file to write, NAME.npz")
    parser.add_argument("--precision", choices=get_args(Precision), default="float32", help="(default: %(default)s)")
    add_named_network_argument(parser)
    arguments = parser.parse_args()
    if arguments.output.suffix != SUFFIX:
        raise BadInput(f"--output {arguments.output}: the name must end with {SUFFIX}")
    checkpoint = load_checkpoint(arguments.checkpoint, arguments.network)
    difference = export(checkpoint, arguments.output, arguments.precision, arguments.network)
    stream = Stream(arguments.output)
    print(f"{FRAMES} frames one by one: the probabilities are those of the whole video to {difference:.1e}")
    lag = f"{stream.delay} frames (of those it reads) later" if stream.delay else "with no delay: it sees the past only"
    print(f"labels come {lag}; the rings take {stream.memory / 1e3:,.0f} kB")
    print(arguments.output)


if __name__ == "__main__":
    run_command(main)
