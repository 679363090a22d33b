"""The networks, one file each: ``ms-tcn`` is ms_tcn.py, ``ms-tcn++`` is ms_tcn_pp.py. A new file is a new network.

One of them, your_own.py, is any other network: a function of the user's and a file that describes what it returns.

Each has

* ``describe(**options) -> Network``: its searchable convolutions, without torch;
* ``build(structure, feature_dim, classes) -> nn.Module``: the module; torch is imported only here;
* ``parameters(network, feature_dim, classes) -> int``: the number of parameters of a network without branches.
"""

from __future__ import annotations

import argparse
import pkgutil
import warnings
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from reprlib import repr as shortened
from types import ModuleType
from typing import TYPE_CHECKING, Any

from common.bad_input import BadInput
from nas_space.network import Network, parse_network
from nas_space.networks import ms_tcn, your_own

if TYPE_CHECKING:
    from torch import nn

    from nas_space.structure import Structure

DEFAULT = "ms-tcn"


def names() -> list[str]:
    """The names of all networks that a name says all of."""
    found = [module.name.replace("_pp", "++").replace("_", "-") for module in pkgutil.iter_modules(__path__)]
    return [name for name in found if name != your_own.NAME]


def find_network(text: str) -> Network:
    """The network of a text as given to ``--network``: ``ms-tcn``, ``ms-tcn:stages=2,layers=5``, or ``net.json``.

    Raises:
        BadInput: there is no such network or file, or it cannot have these options.
    """
    if text.endswith(your_own.SUFFIX):
        return your_own.read(Path(text))
    _module(text.partition(":")[0])  # of a function of the user's, it is no fault that it names no options
    name, options = parse_network(text)
    return _described(name, options)


def network_from_json(content: Any) -> Network:
    """The network of a description by ``Network.to_json``, of this version or an earlier one.

    A network of the user's own cannot be built from that alone: ``find_network`` must have named its file.

    Raises:
        BadInput: the content does not describe a network.
    """
    if not isinstance(content, Mapping):
        raise BadInput(f"not the description of a network: {shortened(content)}")
    options = ms_tcn.earlier_options(content)
    if options is not None:
        return ms_tcn.describe(**options)
    name = content.get("name")
    if not isinstance(name, str):
        raise BadInput(f"not the description of a network: {shortened(dict(content))}")
    return _described(name, {option: value for option, value in content.items() if option != "name"})


def tuner_network(text: Any, earlier: Mapping[str, Any]) -> Network:
    """The network of a tuner's arguments.

    Args:
        text: the argument ``network``.
        earlier: arguments with which earlier versions described the network.

    Raises:
        BadInput: there is no such network.
    """
    if not isinstance(text, str):
        raise BadInput(f"network must be a text, as in {DEFAULT}:stages=2,layers=5, not {text!r}")
    if not earlier:
        return find_network(text)
    if text != DEFAULT:
        raise BadInput(f"network says what {', '.join(earlier)} would say: leave them out")
    network = ms_tcn.describe(**ms_tcn.translated(earlier))
    warnings.warn(f"classArgs: write network: {network} in place of {', '.join(earlier)}", stacklevel=2)
    return network


def build(structure: Structure, feature_dim: int, classes: int) -> nn.Module:
    """The network of a structure, with weights initialised from torch's global generator.

    It takes ``PackedVideos`` of ``feature_dim`` channels and returns logits ``(outputs, frames, classes)``; the last
    output is the prediction. Where the structure keeps several branches in a layer, they start with their shares.

    Raises:
        BadInput: it is the user's own, and not named by its file, or not as that describes it.
    """
    module: nn.Module = _module(structure.network.name).build(structure, feature_dim, classes)
    if structure.branches:
        from nas_space.searchable import keep_branches

        keep_branches(module, structure)
    return module


def parameters(network: Network, feature_dim: int, classes: int) -> int:
    """Number of parameters of a network without branches, which would add only a few."""
    return int(_module(network.name).parameters(network, feature_dim, classes))


def add_network_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--network``."""
    parser.add_argument(
        "--network",
        type=_network_option,
        action=_NetworkAction,
        default=DEFAULT,
        help=f"one of {', '.join(names())}, with options as in {DEFAULT}:stages=2,layers=5, or a file of "
        "nas_space.describe (default: %(default)s)",
    )
    ms_tcn.add_earlier_arguments(parser)


def add_named_network_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--network`` to a command that reads checkpoints, which say their network themselves; None: not given."""
    parser.add_argument(
        "--network",
        type=_network_option,
        action=_NetworkAction,
        metavar="FILE",
        help="a file of nas_space.describe: where the network is your own, name its code again",
    )


def _network_option(text: str) -> Network | str:
    if text.endswith(your_own.SUFFIX):
        return text
    try:
        return find_network(text)
    except BadInput as fault:
        raise argparse.ArgumentTypeError(str(fault)) from None


class _NetworkAction(argparse.Action):
    """``--network TEXT``; refused after options of earlier versions that give the size of the network.

    Files are read here, where what is wrong with them is said as of any file, without the usage of the command.
    """

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        if hasattr(namespace, "earlier_size"):
            parser.error(f"{option} says the size of the network: leave --num-stages and --num-layers out")
        namespace.network = find_network(values) if isinstance(values, str) else values


def _described(name: str, options: Mapping[str, Any]) -> Network:
    describe = _module(name).describe
    network: Network = describe(**options)
    return network


def _module(name: str) -> ModuleType:
    if name not in (*names(), your_own.NAME):
        raise BadInput(
            f"there is no network {name!r}: it must be one of {', '.join(names())}, or a file of nas_space.describe"
        )
    return import_module(f"nas_space.networks.{name.replace('++', '_pp').replace('-', '_')}")
