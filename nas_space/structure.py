"""Structure: the dilation of every searchable convolution of a network, or the branches that it keeps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from numbers import Integral
from reprlib import repr as shortened
from typing import Any, NamedTuple

from common.bad_input import BadInput
from nas_space.network import LARGEST_DILATION, Network


class Branch(NamedTuple):
    """One of several dilations of a layer, which share its weights."""

    dilation: int
    share: float
    """Of the layer's output; those of all branches sum to 1."""


@dataclass(frozen=True)
class Structure:
    """One dilation for each searchable convolution, in the order of ``network.layers``. Immutable and hashable.

    A dilation of 0 leaves the layer out: its output is its input. Only our own networks can do that.

    A structure may keep several branches in a layer (RF-Next's rf-multiple, arXiv 2206.06637); the dilation of the
    layer is then that of its longest branch, which decides what it sees.

    Raises:
        BadInput: a dilation is missing, is not an integer, or is out of range; the message names the layer.
    """

    dilations: tuple[int, ...]
    network: Network
    branches: tuple[tuple[Branch, ...], ...] = ()
    """(layers,): those of each layer, their dilations ascending; empty where every layer has one dilation."""

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
        """From dilations by module path, such as ``{"stage1.layers.0.conv_dilated": 1, ...}``.

        For several branches, a list of dilations and shares: ``[[90, 0.3], [100, 0.5], [110, 0.2]]``.
        """
        return cls._of_branches(_ordered(dilations, network.paths.values(), network), network)

    @classmethod
    def from_labels(cls, dilations: Mapping[str, Any], network: Network) -> Structure:
        """From dilations, or branches, by short label, such as ``{"s1l0": 1, ...}``."""
        return cls._of_branches(_ordered(dilations, network.paths.keys(), network), network)

    @classmethod
    def _of_branches(cls, branches: Iterable[tuple[Branch, ...]], network: Network) -> Structure:
        kept = tuple(branches)
        longest = tuple(of_layer[-1].dilation for of_layer in kept)
        return cls(longest, network, kept if any(len(of_layer) > 1 for of_layer in kept) else ())

    def by_path(self) -> dict[str, int]:
        """Dilations by module path."""
        return dict(zip(self.network.paths.values(), self.dilations, strict=True))

    def by_label(self) -> dict[str, int]:
        """Dilations by short label."""
        return dict(zip(self.network.paths.keys(), self.dilations, strict=True))

    def branches_by_label(self) -> dict[str, tuple[Branch, ...]]:
        """The branches of every layer by short label: one, of share 1, where it has one dilation."""
        single = ((Branch(dilation, 1.0),) for dilation in self.dilations)
        return dict(zip(self.network.paths.keys(), self.branches or single, strict=True))

    def to_paths(self) -> dict[str, Any]:
        """Dilations, or branches, by module path, as ``from_paths`` takes them."""
        return dict(zip(self.network.paths.values(), self.to_labels().values(), strict=True))

    def to_labels(self) -> dict[str, Any]:
        """Dilations, or branches, by short label, as ``from_labels`` takes them."""
        return {label: _described(branches) for label, branches in self.branches_by_label().items()}

    def by_block(self) -> list[tuple[int, ...]]:
        """Dilations of each block, layer by layer."""
        dilations = iter(self.dilations)
        return [tuple(islice(dilations, len(block.layers))) for block in self.network.blocks]

    def __str__(self) -> str:
        layers = iter(self.branches_by_label().values())
        blocks = (islice(layers, len(block.layers)) for block in self.network.blocks)
        return " | ".join(" ".join(map(dilations_text, block)) for block in blocks)


def dilations_text(branches: Iterable[Branch]) -> str:
    """``4``, or ``90+100+110`` for several branches."""
    return "+".join(str(branch.dilation) for branch in branches)


def _ordered(dilations: Mapping[str, Any], names: Iterable[str], network: Network) -> tuple[tuple[Branch, ...], ...]:
    names = list(names)
    known = set(names)
    for name in dilations:
        if name not in known:
            raise BadInput(f"unknown layer {name!r}: {network} has no such convolution")
    for name in names:
        if name not in dilations:
            raise BadInput(f"layer {name!r} has no dilation: {network} needs one for each of its {len(names)} layers")
    return tuple(_branches(name, dilations[name]) for name in names)


def _described(branches: tuple[Branch, ...]) -> Any:
    return branches[0].dilation if len(branches) == 1 else [[dilation, share] for dilation, share in branches]


def _branches(layer: str, value: Any) -> tuple[Branch, ...]:
    """The branches of a layer, from its dilation or from a list of ``[dilation, share]``."""
    if not isinstance(value, list):
        return (Branch(_dilation(layer, value), 1.0),)
    if not value or not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        raise BadInput(f"the branches of layer {layer!r} must be a list of [dilation, share], not {shortened(value)}")
    branches = tuple(sorted(Branch(_dilation(layer, dilation), _share(layer, share)) for dilation, share in value))
    dilations = {branch.dilation for branch in branches}
    if len(dilations) < len(branches) or (0 in dilations and len(branches) > 1):
        raise BadInput(f"the branches of layer {layer!r} must have different dilations of at least 1")
    if not math.isclose(sum(branch.share for branch in branches), 1, abs_tol=1e-3):
        raise BadInput(f"the shares of the branches of layer {layer!r} must sum to 1")
    return branches


def _share(layer: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise BadInput(f"a share of layer {layer!r} must be a number from 0 to 1, not {shortened(value)}")
    return float(value)


def _dilation(layer: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise BadInput(f"the dilation of layer {layer!r} must be a whole number, not {shortened(value)}")
    dilation = int(value)
    if dilation < 0:
        raise BadInput(f"the dilation of layer {layer!r} must be at least 0, not {dilation}")
    if dilation > LARGEST_DILATION:
        raise BadInput(f"the dilation of layer {layer!r} must be at most {LARGEST_DILATION}, not {dilation}")
    return dilation
