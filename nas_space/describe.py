"""Describe a network of your own for ``--network``: find its convolutions, and find out whether it looks ahead.

All is found out by probes: the network is called with random features and, so that no weight that starts at zero hides
what depends on what, with random numbers added to its weights.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

import torch
from torch import Tensor, nn

from common.atomic_file import write_json
from common.bad_input import BadInput, run_command
from nas_space.layers.foreign_conv import AnyConv, Geometry, is_searchable, reaches_along_one_axis, rebind
from nas_space.layers.foreign_network import logits
from nas_space.network import LARGEST_DILATION, LARGEST_SIZE, Block, Layer
from nas_space.networks.your_own import LARGEST_NUMBER, NAME, SUFFIX, OwnNetwork, call

FRAMES = 96
"""Of the probes; others have one fewer."""
NOISE = 0.1
"""Standard deviation of what is added to weights."""


def describe_network(
    function: str, feature_dim: int, classes: int, skip: Sequence[str] = (), folder: Path = Path()
) -> OwnNetwork:
    """The network that a function returns.

    Args:
        function: ``package.module:function``: (feature_dim, classes) -> nn.Module from ``(batch, channels, frames)`` to
            scores ``(batch, classes, frames)``.
        skip: patterns of the module paths of convolutions that keep their dilations.
        folder: see ``your_own.call``.

    Raises:
        BadInput: the function cannot be called, or what it returns cannot be searched.
    """
    torch.manual_seed(0)
    net = call(function, feature_dim, classes, folder).eval()
    try:
        paths, causal = _probe(net, feature_dim, classes, skip)
        modules = dict(net.named_modules())
        layers = []
        for number, path in enumerate(paths, start=1):
            geometry = Geometry.of(modules[path], causal)
            layers.append(Layer(f"c{number}", path, geometry.hand, geometry.kernel_size))
        size = sum(parameter.numel() for parameter in net.parameters())
        return OwnNetwork(
            NAME, (), (Block("network", tuple(layers)),), causal, function, feature_dim, classes, max(size, 1)
        )
    except BadInput as fault:
        raise BadInput(f"{function}: {fault}") from None


@torch.no_grad()
def _probe(net: nn.Module, feature_dim: int, classes: int, skip: Sequence[str]) -> tuple[list[str], bool]:
    """The paths of the convolutions to search, in the order of the module tree, and whether the network is causal."""
    for name, value in net.state_dict().items():
        if not isinstance(value, Tensor) or value.is_complex():
            raise BadInput(f"its state dict holds a {type(value).__name__} ({name}), not only tensors of real numbers")
        if not value.isfinite().all():
            raise BadInput(f"its state dict holds numbers that are not finite ({name}): leave them out of it")
    for parameter in net.parameters():
        parameter.add_(NOISE * torch.randn_like(parameter))
    video, other = torch.randn(feature_dim, FRAMES), torch.randn(feature_dim, FRAMES - 1)

    def scores(frames: Tensor) -> Tensor:
        try:
            return logits(net, frames, classes)
        except BadInput:
            raise
        except Exception as fault:
            line = (str(fault).strip().splitlines() or [""])[0][:200]
            raise BadInput(
                f"it fails for features (1, {feature_dim}, {frames.shape[1]}): {type(fault).__name__}: {line}"
            ) from None

    middle = FRAMES // 2
    with _noting_inputs(net) as inputs:
        expected = scores(video)
    with _noting_inputs(net) as shorter:
        scores(other)
    if not torch.equal(scores(video), expected):
        raise BadInput("in eval mode its output for the same features changes from call to call")
    changed = video.clone()
    changed[:, middle:] += torch.randn_like(changed[:, middle:])
    difference = (scores(changed) - expected).abs().amax(dim=(0, 2))
    if not difference[middle:].any():
        raise BadInput("its output does not depend on its input")
    causal = not difference[:middle].any()

    found = {path: conv for path, conv in _found(net, skip).items() if _reaches_along_time(path, conv, inputs, shorter)}
    if not found:
        raise BadInput("it has no searchable convolution: Conv1d, or Conv2d along time only, with an odd kernel")
    if len(found) > LARGEST_SIZE or any(max(conv.dilation) > LARGEST_DILATION for conv in found.values()):
        raise BadInput(f"it has more than {LARGEST_SIZE} convolutions, or dilations above {LARGEST_DILATION}")
    for path, conv in found.items():
        fault = _obstacle(conv, causal, inputs[path])
        if fault:
            raise BadInput(f"its convolution {path} {fault}: leave it as it is with --skip {path!r}")
    for factor in (2, 1):
        for conv in found.values():
            geometry = Geometry.of(conv, causal)
            rebind(conv, geometry, factor * geometry.hand)
        if causal and not torch.equal(scores(changed)[:, :middle], scores(video)[:, :middle]):
            raise BadInput("it looks ahead as soon as its convolutions have other dilations")
    if not torch.equal(scores(video), expected):
        raise BadInput("its convolutions cannot be searched: with their own dilations they gave other scores")
    return [path for path in inputs if path in found], causal


def _found(net: nn.Module, skip: Sequence[str]) -> dict[str, AnyConv]:
    """The convolutions along one axis by path, without those that a pattern names."""
    convs = {path: module for path, module in net.named_modules() if path and reaches_along_one_axis(module)}
    for pattern in skip:
        if not any(fnmatchcase(path, pattern) for path in convs):
            raise BadInput(f"--skip {pattern!r} names none of its convolutions: {', '.join(convs) or 'it has none'}")
    return {path: conv for path, conv in convs.items() if not any(fnmatchcase(path, pattern) for pattern in skip)}


def _obstacle(conv: AnyConv, causal: bool, inputs: Tensor) -> str | None:
    """Why a convolution with these inputs ``(batch, channels, ...)`` cannot have another dilation; None if it can."""
    if not is_searchable(conv):
        what = f"padding_mode={conv.padding_mode!r}" if conv.padding_mode != "zeros" else f"the stride {conv.stride}"
        return f"has {what}, with which no dilation is searched"
    geometry = Geometry.of(conv, causal)
    own = geometry.padding[geometry.axis]
    before, after = (reach - own for reach in geometry.own_reach)
    frames = inputs.movedim(2 + geometry.axis, -1)
    outside = frames[..., : max(before, 0)].any() or frames[..., frames.shape[-1] - max(after, 0) :].any()
    if (after < 0 and not causal) or outside:
        return f"is not padded with zeros as {'a causal' if causal else 'a symmetric'} one is"
    return None


def _reaches_along_time(path: str, conv: AnyConv, inputs: Mapping[str, Tensor], shorter: Mapping[str, Tensor]) -> bool:
    """Whether the kernel lies along time: there, inputs of fewer frames are smaller."""
    if path not in inputs:
        raise BadInput(f"its forward pass does not call its convolution {path}: leave it as it is with --skip {path!r}")
    axis = 2 + Geometry.of(conv, causal=False).axis
    return inputs[path].shape[axis] != shorter[path].shape[axis]


@contextmanager
def _noting_inputs(net: nn.Module) -> Iterator[dict[str, Tensor]]:
    """The first input of each convolution along one axis, by path, in the order in which they are called."""
    inputs: dict[str, Tensor] = {}
    convs = {path: module for path, module in net.named_modules() if reaches_along_one_axis(module)}

    def noting(path: str, conv: AnyConv) -> Callable[..., Tensor]:
        plain = conv._conv_forward

        def convolve(frames: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
            inputs.setdefault(path, frames)
            return plain(frames, weight, bias)

        return convolve

    for path, conv in convs.items():
        conv._conv_forward = noting(path, conv)  # type: ignore[method-assign]
    try:
        yield inputs
    finally:
        for conv in convs.values():
            del conv._conv_forward


def main() -> None:
    """Find the searchable convolutions of a network of your own, and describe it in a file for --network."""
    parser = argparse.ArgumentParser(
        prog="python -m nas_space.describe",
        description=main.__doc__,
        epilog="example: python -m nas_space.describe --network my_networks:tcn --feature-dim 2048 --classes 11 "
        "--output my_tcn.json",
    )
    parser.add_argument(
        "--network",
        required=True,
        metavar="package.module:function",
        help="(feature_dim, classes) -> torch.nn.Module from (batch, channels, frames) to scores (batch, classes, "
        "frames), one output or several, the last one being the prediction",
    )
    parser.add_argument("--feature-dim", type=int, required=True, help="features of a frame")
    parser.add_argument("--classes", type=int, required=True, help="classes of the data set")
    parser.add_argument("--output", type=Path, required=True, help="the network file (.json)")
    parser.add_argument(
        "--skip",
        action="append",
        default=[],
        metavar="PATTERN",
        help="module paths of convolutions to leave as they are",
    )
    arguments = parser.parse_args()
    for name in ("feature_dim", "classes"):
        if not 1 <= getattr(arguments, name) <= LARGEST_NUMBER:
            raise BadInput(f"--{name.replace('_', '-')} must be at least 1, not {getattr(arguments, name)}")
    if arguments.output.suffix != SUFFIX:
        raise BadInput(f"--output {arguments.output}: must end with {SUFFIX}, by which --network knows it")
    folder = arguments.output.absolute().parent
    network = describe_network(arguments.network, arguments.feature_dim, arguments.classes, arguments.skip, folder)
    write_json(arguments.output, network.to_json())
    for layer in network.layers:
        print(f"{layer.label}: {layer.path}, kernel {layer.kernel_size}, dilation {layer.hand}", file=sys.stderr)
    kind = "causal" if network.causal else "not causal"
    print(f"{len(network.layers)} searchable convolutions; {kind}; {network.size} parameters", file=sys.stderr)
    print(arguments.output)


if __name__ == "__main__":
    run_command(main)
