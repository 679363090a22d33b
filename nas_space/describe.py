"""Describe a network of your own for ``--network``: find its convolutions, and find out whether it looks ahead.

All is found out by probes: the network is called with random features and, so that no weight that starts at zero hides
what depends on what, with random numbers added to its weights.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

import torch
from torch import Tensor, nn

from common.atomic_file import write_json
from common.bad_input import BadInput, naming, run_command
from common.command_parser import command_parser
from nas_space.layers.foreign_conv import AnyConv, Geometry, is_searchable, reaches_along_one_axis, rebind
from nas_space.layers.foreign_network import logits
from nas_space.layers.packed_videos import PackedVideos
from nas_space.network import LARGEST_DILATION, LARGEST_SIZE, Block, Layer
from nas_space.networks.your_own import LARGEST_NUMBER, NAME, SUFFIX, OwnNetwork, build, call, line_of, read
from nas_space.receptive_field import ReceptiveField
from nas_space.structure import Structure

FRAMES = 96
"""Of the probes; others have one fewer."""
LONGEST_PROBE = 20_000
"""Of the probe for how far a network sees."""
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
    with naming(function):
        layers, causal = _probe(net, feature_dim, classes, skip)
    size = sum(parameter.numel() for parameter in net.parameters())
    return OwnNetwork(NAME, (), (Block("network", layers),), causal, function, feature_dim, classes, size)


@torch.no_grad()
def _probe(net: nn.Module, feature_dim: int, classes: int, skip: Sequence[str]) -> tuple[tuple[Layer, ...], bool]:
    """The convolutions to search, in the order in which they are called, and whether the network is causal."""
    _check_state(net)
    for parameter in net.parameters():
        parameter.add_(NOISE * torch.randn_like(parameter))
    video, other = torch.randn(feature_dim, FRAMES), torch.randn(feature_dim, FRAMES - 1)

    def scores(frames: Tensor) -> Tensor:
        try:
            return logits(net, frames, classes)
        except BadInput:
            raise
        except Exception as fault:
            raise BadInput(f"it fails for features (1, {feature_dim}, {frames.shape[1]}): {line_of(fault)}") from None

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
    called = [path for path in inputs if path in found]
    return tuple(_layer(f"c{n}", path, found[path], inputs[path]) for n, path in enumerate(called, start=1)), causal


def _check_state(net: nn.Module) -> None:
    """Raise BadInput where a checkpoint could not hold the state of a network."""
    for name, value in net.state_dict().items():
        if not isinstance(value, Tensor) or value.is_complex():
            raise BadInput(f"its state dict holds a {type(value).__name__} ({name}), not only tensors of real numbers")
        if not value.isfinite().all():
            raise BadInput(f"its state dict holds numbers that are not finite ({name}): leave them out of it")


def _layer(label: str, path: str, conv: AnyConv, inputs: Tensor) -> Layer:
    """What is noted of a convolution whose inputs for ``FRAMES`` these are."""
    geometry = Geometry.of(conv, causal=False)
    places = inputs.numel() / conv.in_channels / FRAMES  # several in a frame: joints, say
    cost = conv.weight.numel() * max(round(places), 1)
    return Layer(label, path, geometry.hand, geometry.kernel_size, multiply_adds=cost)


@torch.no_grad()
def seen_frames(network: OwnNetwork) -> int | None:
    """From the first frame to the last that an output sees, as one frame of NaN tells; None: it sees all.

    Where that cannot be determined, or a probe would take long, it is what the convolutions see one after another.
    """
    expected = ReceptiveField.of(Structure.hand(network)).network.frames
    frames = max(2 * expected + 1, FRAMES)
    if frames > LONGEST_PROBE:
        return expected
    module = build(Structure.hand(network), network.feature_dim, network.classes).eval()
    video = torch.zeros(frames, network.feature_dim)
    video[frames // 2] = torch.nan
    changed = module(PackedVideos(video, (0, frames)))[-1].isnan().any(dim=1).nonzero()
    if not len(changed):
        return expected
    seen = int(changed.max() - changed.min()) + 1
    return seen if seen < frames else None


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
    frames = inputs.movedim(geometry.axis - len(conv.kernel_size), -1)
    outside = frames[..., : max(before, 0)].any() or frames[..., frames.shape[-1] - max(after, 0) :].any()
    if (after < 0 and not causal) or outside:
        return f"is not padded with zeros as {'a causal' if causal else 'a symmetric'} one is"
    return None


def _reaches_along_time(path: str, conv: AnyConv, inputs: Mapping[str, Tensor], shorter: Mapping[str, Tensor]) -> bool:
    """Whether the kernel lies along time: there, inputs of fewer frames are smaller."""
    if path not in inputs:
        raise BadInput(f"its forward pass does not call its convolution {path}: leave it as it is with --skip {path!r}")
    axis = Geometry.of(conv, causal=False).axis - len(conv.kernel_size)
    return inputs[path].shape[axis] != shorter[path].shape[axis]


@contextmanager
def _noting_inputs(net: nn.Module) -> Iterator[dict[str, Tensor]]:
    """The first input of each convolution along one axis, by path, in the order in which they are called."""
    inputs: dict[str, Tensor] = {}
    convs = {path: module for path, module in net.named_modules() if reaches_along_one_axis(module)}

    def noting(path: str, conv: AnyConv) -> Callable[..., Tensor]:
        plain = conv._conv_forward

        def convolve(frames: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
            inputs.setdefault(path, frames.clone())  # what follows may work in place
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
    parser = command_parser(
        "nas_space.describe",
        main.__doc__,
        "--network my_networks:tcn --feature-dim 2048 --classes 11 --output my_tcn.json",
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
    network = read(arguments.output)
    for layer in network.layers:
        print(f"{layer.label}: {layer.path}, kernel {layer.kernel_size}, dilation {layer.hand}", file=sys.stderr)
    kind = "causal" if network.causal else "not causal"
    counted, seen = ReceptiveField.of(Structure.hand(network)).network.frames, seen_frames(network)
    if seen != counted:
        print(
            f"reports will say that it sees {counted} frames, as if these convolutions followed one another and "
            f"nothing else looked beside a frame; by a probe, it sees {'more' if seen is None else seen}",
            file=sys.stderr,
        )
    print(f"{len(network.layers)} searchable convolutions; {kind}; {network.size} parameters", file=sys.stderr)
    print(arguments.output)


if __name__ == "__main__":
    run_command(main)
