"""MS-TCN (Abu Farha and Gall, CVPR 2019): stages of dilated residual layers, each refining the output of the previous.

The state dict has the keys and shapes of the usual nn.Conv1d implementation: weights are interchangeable.
"""

from __future__ import annotations

import argparse
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from common.bad_input import BadInput
from nas_space.network import LARGEST_DILATION, Block, Layer, Network, Option, chosen_options

if TYPE_CHECKING:
    from torch import nn

    from nas_space.structure import Structure

NAME = "ms-tcn"
OPTIONS = (Option("stages", 4), Option("layers", 10), Option("kernel", 3, least=3), Option("channels", 64))


def describe(**options: Any) -> Network:
    """Stages of layers whose dilations double from 1 in each stage (section 3.1); 4 stages of 10 layers in the paper.

    Raises:
        BadInput: an option is unknown or out of range, or the kernel size is even.
    """
    return Network(NAME, *layout(NAME, options))


def layout(name: str, chosen: Mapping[str, Any]) -> tuple[tuple[Option, ...], tuple[Block, ...]]:
    """Options and blocks of a network of MS-TCN's stages."""
    options = chosen_options(name, OPTIONS, chosen)
    stages, layers, kernel, channels = (option.value for option in options)
    if kernel % 2 == 0:
        raise BadInput(f"network {name}: kernel must be an odd number, not {kernel}")
    paths = ["stage1", *(f"stages.{number}" for number in range(stages - 1))]
    blocks = (stage_block(stage, path, layers, channels, kernel) for stage, path in enumerate(paths, start=1))
    return options, tuple(blocks)


def stage_block(stage: int, path: str, layers: int, channels: int, kernel: int = 3, repeats: int = 1) -> Block:
    """A stage of dilated residual layers with doubling dilations, labelled ``s1l0``, ``s1l1``, ..."""
    return Block(
        f"stage {stage}",
        tuple(
            Layer(
                f"s{stage}l{layer}",
                f"{path}.layers.{layer}.conv_dilated",
                min(2**layer, LARGEST_DILATION),
                kernel,
                multiply_adds=channels * channels * (kernel + 1),
            )
            for layer in range(layers)
        ),
        repeats,
    )


def build(structure: Structure, feature_dim: int, classes: int) -> nn.Module:
    """The module; see ``nas_space.networks.build``."""
    from torch.nn import ModuleList

    from nas_space.layers.stages import Stage, StagedNetwork

    network = structure.network
    first, *later = structure.by_block()
    channels, kernel = network.option("channels"), network.option("kernel")

    def stage(in_channels: int, dilations: Sequence[int]) -> nn.Module:
        return Stage(in_channels, channels, classes, kernel, dilations, network.causal)

    return StagedNetwork(stage1=stage(feature_dim, first), stages=ModuleList(stage(classes, each) for each in later))


def parameters(network: Network, feature_dim: int, classes: int) -> int:
    """See ``nas_space.networks.parameters``."""
    stages, layers, kernel, channels = map(network.option, ("stages", "layers", "kernel", "channels"))
    return stages * stage_parameters(layers, kernel, channels, classes) + channels * (
        feature_dim + (stages - 1) * classes
    )


def stage_parameters(layers: int, kernel: int, channels: int, classes: int) -> int:
    """Number of parameters of a stage, without the weights of its input convolution."""
    return layers * (channels * channels * (kernel + 1) + 2 * channels) + (channels + 1) * classes + channels


# Descriptions by earlier versions, which knew no other network than this one.

EARLIER = {"num_stages": "stages", "num_layers": "layers", "kernel_size": "kernel"}
EARLIER_ARGUMENTS = frozenset({"num_stages", "num_layers"})
"""Arguments of the tuners of earlier versions."""


def earlier_options(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """The options in a structure file or checkpoint of an earlier version; None if it is of this version."""
    if content.get("name") == "ms_tcn":
        return {name: content[name] for name in ("stages", "layers", "kernel") if name in content}
    if "num_stages" in content:
        return translated(content)
    return None


def translated(earlier: Mapping[str, Any]) -> dict[str, Any]:
    """Options under their present names. Raises BadInput for names that no earlier version had."""
    unknown = [name for name in earlier if name not in {*EARLIER, "channels"}]
    if unknown:
        raise BadInput(f"there is no argument {unknown[0]!r}")
    return {EARLIER.get(name, name): value for name, value in earlier.items()}


def same_settings(saved: Any, now: Mapping[str, Any]) -> bool:
    """Whether saved settings are equal to the present ones; earlier versions did not name the network.

    Args:
        now: with the description of the network (``Network.to_json``) under ``network``.
    """
    if saved == now or not isinstance(saved, Mapping) or "network" in saved or "network" not in now:
        return saved == now
    shape = saved.get("shape", {})
    if not isinstance(shape, Mapping):
        return False
    size = {**shape, "channels": saved.get("channels", 64)}
    rest = {name: value for name, value in saved.items() if name not in ("shape", "channels")}
    network = now["network"]
    same_network = all(network.get(EARLIER.get(name, name)) == value for name, value in size.items())
    return network["name"] == NAME and same_network and {**rest, "network": network} == now


def of_labels(labels: Iterable[str]) -> Network:
    """The network of records that do not name it, from its labels. Raises BadInput if they are not labels of MS-TCN."""
    found = [re.fullmatch(r"s(\d{1,4})l(\d{1,4})", label, re.ASCII) for label in labels]
    sizes = [(int(match[1]), int(match[2]) + 1) for match in found if match]
    if not sizes or len(sizes) != len(found):
        raise BadInput(f"not the labels of layers: {', '.join(sorted(labels)) or 'none'}")
    return describe(stages=max(stage for stage, _ in sizes), layers=max(layers for _, layers in sizes))


class _EarlierOption(argparse.Action):
    """``--num-stages 2``, now ``--network ms-tcn:stages=2``."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        before = namespace.network if isinstance(namespace.network, Network) else describe()
        if before.name != NAME:
            parser.error(f"{option}: --network {before} has no such size")
        options = {option.name: option.value for option in before.options} | {EARLIER[self.dest]: values}
        namespace.network = describe(**options)
        namespace.earlier_size = True
        warnings.warn(f"{option} {values}: write --network {namespace.network}", stacklevel=2)


def add_earlier_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of earlier versions for the size of the network, hidden from the help."""
    for option in ("--num-stages", "--num-layers"):
        parser.add_argument(option, type=int, action=_EarlierOption, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
