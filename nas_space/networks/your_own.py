"""A network of the user's own: a function that returns it, and a file that describes its searchable convolutions.

``python -m nas_space.describe`` writes the file. Its description travels in records, structure files and checkpoints,
which name the function, too; but only a file that the user names (``--network net.json``) lets it be imported.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from reprlib import repr as shortened
from typing import TYPE_CHECKING, Any

from common.bad_input import BadInput, naming
from common.read_file import read_json
from nas_space.network import LARGEST_DILATION, LARGEST_SIZE, Block, Layer, Network

if TYPE_CHECKING:
    from torch import nn

    from nas_space.structure import Structure

NAME = "your-own"
SUFFIX = ".json"
LARGEST_NUMBER = 2**31 - 1


class OwnCodeFault(BadInput):
    """The code of a network of the user's own cannot be used: not named, not there, or not as described."""


@dataclass(frozen=True)
class OwnNetwork(Network):
    """Any network of which the searchable convolutions are known, in one block."""

    function: str = ""
    """``package.module:function``: (feature_dim, classes) -> nn.Module."""
    feature_dim: int = 0
    classes: int = 0
    size: int = 0
    """Number of parameters."""
    file: Path | None = field(default=None, compare=False)
    """The user named the network by this file; None for one that only other files describe, which is never built."""

    @property
    def can_leave_out(self) -> bool:
        """No: what a layer's input would be is not known."""
        return False

    def built_path(self, layer: Layer) -> str:
        """See ``Network.built_path``: in ``ForeignNetwork``, the child of the convolution that ``rebind`` adds."""
        return f"net.{layer.path}.searched"

    def to_json(self) -> dict[str, Any]:
        """See ``Network.to_json``."""
        return {
            "name": NAME,
            "function": self.function,
            "feature_dim": self.feature_dim,
            "classes": self.classes,
            "causal": self.causal,
            "parameters": self.size,
            "layers": {
                layer.label: {
                    "path": layer.path,
                    "dilation": layer.hand,
                    "kernel": layer.kernel_size,
                    "multiply_adds": layer.multiply_adds,
                }
                for layer in self.layers
            },
        }

    def __str__(self) -> str:
        """As ``--network`` takes it, if the user named its file."""
        return f"{NAME} ({self.function})" if self.file is None else str(self.file)


def read(path: Path) -> OwnNetwork:
    """The network that a file of ``nas_space.describe`` describes.

    Raises:
        BadInput: the file cannot be read, or is none.
    """
    path = Path(path.absolute())  # trials have a working directory of their own
    content = read_json(path, "network file (python -m nas_space.describe writes one)")
    with naming(path):
        if not isinstance(content, Mapping) or content.get("name") != NAME:
            raise BadInput("not a file of nas_space.describe")
        return replace(describe(**{key: value for key, value in content.items() if key != "name"}), file=path)


def describe(**content: Any) -> OwnNetwork:
    """The network of ``OwnNetwork.to_json``, which is not named by that: no content can say that it is.

    Raises:
        BadInput: a value is missing, unknown or out of range.
    """
    wanted = {"function", "feature_dim", "classes", "causal", "parameters", "layers"}
    if content.keys() != wanted:
        raise BadInput(
            f"a network of your own is named by the file that python -m nas_space.describe writes: {NAME} alone, or "
            f"with {', '.join(sorted(content.keys() ^ wanted))} more or less, is not enough"
        )
    parts = parse_function(content["function"])
    feature_dim, classes, size = (
        _number(name, content[name], LARGEST_NUMBER) for name in ("feature_dim", "classes", "parameters")
    )
    if type(content["causal"]) is not bool:
        raise BadInput(f"causal must be true or false, not {shortened(content['causal'])}")
    layers = content["layers"]
    if not isinstance(layers, Mapping) or not 0 < len(layers) <= LARGEST_SIZE:
        raise BadInput(f"layers must be 1 to {LARGEST_SIZE} convolutions by label, not {shortened(layers)}")
    block = Block("network", tuple(_layer(label, layer) for label, layer in layers.items()))
    if len({layer.path for layer in block.layers}) < len(layers):
        raise BadInput("a convolution comes twice")
    function, causal = ":".join(parts), content["causal"]
    return OwnNetwork(NAME, (), (block,), causal, function, feature_dim, classes, size)


def parse_function(text: Any) -> tuple[str, str]:
    """Module and function of ``package.module:function``. Raises BadInput for anything else."""
    name = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
    found = re.fullmatch(f"({name}):({name})", text) if isinstance(text, str) else None
    if found is None:
        raise BadInput(f"write the function that returns the network as package.module:function, not {shortened(text)}")
    return found[1], found[2]


def _layer(label: Any, content: Any) -> Layer:
    if not isinstance(label, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9]{0,15}", label):
        raise BadInput(f"the label of a layer must be up to 16 letters and digits, not {shortened(label)}")
    if not isinstance(content, Mapping) or content.keys() != {"path", "dilation", "kernel", "multiply_adds"}:
        raise BadInput(f"layer {label}: expected path, dilation, kernel and multiply_adds, not {shortened(content)}")
    path = content["path"]
    if not isinstance(path, str) or not re.fullmatch(r"[^.\s]+(\.[^.\s]+)*", path):
        raise BadInput(f"layer {label}: not the path of a module: {shortened(path)}")
    kernel = _number(f"layer {label}: kernel", content["kernel"], LARGEST_SIZE)
    if kernel < 3 or kernel % 2 == 0:
        raise BadInput(f"layer {label}: kernel must be an odd number of at least 3, not {kernel}")
    hand = _number(f"layer {label}: dilation", content["dilation"], LARGEST_DILATION)
    cost = _number(f"layer {label}: multiply_adds", content["multiply_adds"], LARGEST_NUMBER)
    return Layer(label, path, hand, kernel, multiply_adds=cost)


def _number(name: str, value: Any, largest: int) -> int:
    if type(value) is not int or not 1 <= value <= largest:
        raise BadInput(f"{name} must be a whole number from 1 to {largest}, not {shortened(value)}")
    return value


def build(structure: Structure, feature_dim: int, classes: int) -> nn.Module:
    """The module; see ``nas_space.networks.build``."""
    from nas_space.layers.foreign_conv import Geometry, is_searchable, rebind
    from nas_space.layers.foreign_network import ForeignNetwork

    network = structure.network
    assert isinstance(network, OwnNetwork)
    if network.file is None:
        raise OwnCodeFault(
            f"its network is code, {network.function}, which is imported only if you name it: give --network and the "
            "file that python -m nas_space.describe wrote for it"
        )
    if (feature_dim, classes) != (network.feature_dim, network.classes):
        raise OwnCodeFault(
            f"{network}: describes a network of {network.feature_dim} features and {network.classes} classes, but "
            f"the data has {feature_dim} and {classes}: describe it again (python -m nas_space.describe)"
        )
    net = call(network.function, feature_dim, classes, network.file.parent)
    modules = dict(net.named_modules())
    for layer, dilation in zip(network.layers, structure.dilations, strict=True):
        conv = modules.get(layer.path)
        geometry = Geometry.of(conv, network.causal) if is_searchable(conv) else None
        if conv is None or geometry is None or (geometry.kernel_size, geometry.hand) != (layer.kernel_size, layer.hand):
            raise OwnCodeFault(
                f"{network}: {network.function} returns a network without its convolution {layer.path} of kernel "
                f"{layer.kernel_size} and dilation {layer.hand}: describe it again (python -m nas_space.describe)"
            )
        rebind(conv, geometry, dilation)
    return ForeignNetwork(net, classes, network.function)


def parameters(network: OwnNetwork, *_: int) -> int:
    """See ``nas_space.networks.parameters``."""
    return network.size


def call(function: str, feature_dim: int, classes: int, folder: Path) -> nn.Module:
    """The module that a function returns, on the CPU.

    Args:
        folder: where its package is looked for last: beside the file that describes it.

    Raises:
        OwnCodeFault: the function cannot be imported or called, or returns no nn.Module.
    """
    import torch

    module, name = parse_function(function)
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    try:
        with torch.random.fork_rng(devices=[]):  # only the first network of a process is imported
            found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as fault:
        raise OwnCodeFault(
            f"{function} cannot be imported ({line_of(fault)}): its package must be installed, or lie in the current "
            "folder or beside the network file"
        ) from None
    try:
        with torch.device("cpu"):
            net = found(feature_dim, classes)
    except Exception as fault:
        raise OwnCodeFault(f"{function}({feature_dim}, {classes}) fails: {line_of(fault)}") from None
    if not isinstance(net, torch.nn.Module):
        raise OwnCodeFault(
            f"{function}({feature_dim}, {classes}) returns a {type(net).__name__}, but no torch.nn.Module"
        )
    return net


def line_of(fault: Exception) -> str:
    """The type of an exception, and the first line of its message."""
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    return f"{type(fault).__name__}: {lines[0][:200]}" if lines else type(fault).__name__
