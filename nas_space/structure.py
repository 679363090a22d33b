"""Structure: the dilation of every searchable convolution of a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral
from reprlib import repr as shortened
from typing import Any

from common.bad_input import BadInput
from nas_space.shape import MS_TCN, MSTCNShape

LARGEST_DILATION = 2**20
"""Far beyond any video; larger numbers are mistakes, and overflow."""


@dataclass(frozen=True)
class Structure:
    """One dilation for each searchable convolution, in the order of ``shape.paths``. Immutable, comparable, hashable.

    Raises:
        BadInput: a dilation is missing, is not a whole number, or is below 1; the message names the layer.
    """

    dilations: tuple[int, ...]
    shape: MSTCNShape = MS_TCN

    def __post_init__(self) -> None:
        if len(self.dilations) != len(self.shape.paths):
            raise BadInput(f"a structure needs {len(self.shape.paths)} dilations, not {len(self.dilations)}")
        checked = tuple(_dilation(name, value) for name, value in zip(self.shape.paths, self.dilations, strict=True))
        object.__setattr__(self, "dilations", checked)

    @classmethod
    def hand(cls, shape: MSTCNShape = MS_TCN) -> Structure:
        """The hand-designed dilations: 2^layer in every stage (Abu Farha and Gall, CVPR 2019, section 3.1)."""
        return cls(tuple(2**layer for layer in range(shape.num_layers)) * shape.num_stages, shape)

    @classmethod
    def from_paths(cls, dilations: Mapping[str, Any], shape: MSTCNShape = MS_TCN) -> Structure:
        """From dilations by module path, such as ``{"stage1.layers.0.conv_dilated": 1, ...}``."""
        return cls(_ordered(dilations, shape.paths.values(), shape), shape)

    @classmethod
    def from_labels(cls, dilations: Mapping[str, Any], shape: MSTCNShape = MS_TCN) -> Structure:
        """From dilations by short label, such as ``{"s1l0": 1, ...}``."""
        return cls(_ordered(dilations, shape.paths.keys(), shape), shape)

    def by_path(self) -> dict[str, int]:
        """Dilations by module path."""
        return dict(zip(self.shape.paths.values(), self.dilations, strict=True))

    def by_label(self) -> dict[str, int]:
        """Dilations by short label."""
        return dict(zip(self.shape.paths.keys(), self.dilations, strict=True))

    def stages(self) -> list[tuple[int, ...]]:
        """Dilations of each stage, layer by layer."""
        layers = self.shape.num_layers
        return [self.dilations[start : start + layers] for start in range(0, len(self.dilations), layers)]

    def __str__(self) -> str:
        return " | ".join(" ".join(str(dilation) for dilation in stage) for stage in self.stages())


@dataclass(frozen=True)
class ReceptiveField:
    """How many frames one output frame can see, itself included, at the rate at which the network reads frames.

    A convolution of kernel size k and dilation d sees 1 + (k - 1) d frames; fields of layers in a row add up:
    1 + (k - 1) (d_1 + ... + d_n).
    """

    layers: tuple[tuple[int, ...], ...]
    """(stages, layers): frames seen by each dilated convolution alone."""
    stages: tuple[int, ...]
    """(stages,): frames seen by each stage alone."""
    network: int
    """Frames of the input seen by the last stage's output."""

    @classmethod
    def of(cls, structure: Structure) -> ReceptiveField:
        """The receptive field of an MS-TCN with this structure."""
        reach = structure.shape.kernel_size - 1
        stages = structure.stages()
        return cls(
            layers=tuple(tuple(1 + reach * dilation for dilation in stage) for stage in stages),
            stages=tuple(1 + reach * sum(stage) for stage in stages),
            network=1 + reach * sum(structure.dilations),
        )


def _ordered(dilations: Mapping[str, Any], names: Iterable[str], shape: MSTCNShape) -> tuple[Any, ...]:
    names = list(names)
    size = f"an MS-TCN of {shape.num_stages} stages x {shape.num_layers} layers"
    known = set(names)
    for name in dilations:
        if name not in known:
            raise BadInput(f"unknown layer {name!r}: {size} has no such dilated convolution")
    for name in names:
        if name not in dilations:
            raise BadInput(f"layer {name!r} has no dilation: {size} needs one for each of its {len(names)} layers")
    return tuple(_dilation(name, dilations[name]) for name in names)


def _dilation(layer: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise BadInput(f"the dilation of layer {layer!r} must be a whole number, not {shortened(value)}")
    dilation = int(value)
    if dilation < 1:
        raise BadInput(f"the dilation of layer {layer!r} must be at least 1, not {dilation}")
    if dilation > LARGEST_DILATION:
        raise BadInput(f"the dilation of layer {layer!r} must be at most {LARGEST_DILATION}, not {dilation}")
    return dilation
