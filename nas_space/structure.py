"""Structure: the dilation of every searchable convolution of a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from numbers import Integral
from reprlib import repr as shortened
from typing import Any

from common.bad_input import BadInput
from nas_space.network import LARGEST_DILATION, Network


@dataclass(frozen=True)
class Structure:
    """One dilation for each searchable convolution, in the order of ``network.layers``. Immutable and hashable.

    A dilation of 0 leaves the layer out: its output is its input. Only our own networks can do that.

    Raises:
        BadInput: a dilation is missing, is not an integer, or is out of range; the message names the layer.
    """

    dilations: tuple[int, ...]
    network: Network

    def __post_init__(self) -> None:
        if len(self.dilations) != len(self.network.paths):
            raise BadInput(f"a structure needs {len(self.network.paths)} dilations, not {len(self.dilations)}")
        checked = tuple(_dilation(name, value) for name, value in zip(self.network.paths, self.dilations, strict=True))
        if 0 in checked and not self.network.can_leave_out:
            layer = self.network.layers[checked.index(0)].label
            raise BadInput(f"layer {layer!r} has the dilation 0: {self.network} can leave no layer out")
        object.__setattr__(self, "dilations", checked)

    @classmethod
    def hand(cls, network: Network) -> Structure:
        """The dilations chosen by the authors of the network."""
        return cls(tuple(layer.hand for layer in network.layers), network)

    @classmethod
    def from_paths(cls, dilations: Mapping[str, Any], network: Network) -> Structure:
        """From dilations by module path, such as ``{"stage1.layers.0.conv_dilated": 1, ...}``."""
        return cls(_ordered(dilations, network.paths.values(), network), network)

    @classmethod
    def from_labels(cls, dilations: Mapping[str, Any], network: Network) -> Structure:
        """From dilations by short label, such as ``{"s1l0": 1, ...}``."""
        return cls(_ordered(dilations, network.paths.keys(), network), network)

    def by_path(self) -> dict[str, int]:
        """Dilations by module path."""
        return dict(zip(self.network.paths.values(), self.dilations, strict=True))

    def by_label(self) -> dict[str, int]:
        """Dilations by short label."""
        return dict(zip(self.network.paths.keys(), self.dilations, strict=True))

    def by_block(self) -> list[tuple[int, ...]]:
        """Dilations of each block, layer by layer."""
        dilations = iter(self.dilations)
        return [tuple(islice(dilations, len(block.layers))) for block in self.network.blocks]

    def __str__(self) -> str:
        return " | ".join(" ".join(str(dilation) for dilation in block) for block in self.by_block())


def _ordered(dilations: Mapping[str, Any], names: Iterable[str], network: Network) -> tuple[Any, ...]:
    names = list(names)
    known = set(names)
    for name in dilations:
        if name not in known:
            raise BadInput(f"unknown layer {name!r}: {network} has no such convolution")
    for name in names:
        if name not in dilations:
            raise BadInput(f"layer {name!r} has no dilation: {network} needs one for each of its {len(names)} layers")
    return tuple(_dilation(name, dilations[name]) for name in names)


def _dilation(layer: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise BadInput(f"the dilation of layer {layer!r} must be a whole number, not {shortened(value)}")
    dilation = int(value)
    if dilation < 0:
        raise BadInput(f"the dilation of layer {layer!r} must be at least 0, not {dilation}")
    if dilation > LARGEST_DILATION:
        raise BadInput(f"the dilation of layer {layer!r} must be at most {LARGEST_DILATION}, not {dilation}")
    return dilation
