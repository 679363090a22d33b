"""Network: all that is known of a network without building it or importing torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from common.bad_input import BadInput

LARGEST_SIZE = 1000
"""Largest value of an option, far beyond any network; larger numbers are mistakes, and would fill the memory."""

LARGEST_DILATION = 2**20
"""Far beyond any video; larger numbers are mistakes, and would overflow."""

POWERS_OF_TWO = tuple(2**exponent for exponent in range(11))
"""The sparse candidates of the global search: 1, 2, 4, ..., 1024 (Gao et al., CVPR 2021, section 3.2)."""


def candidates_within(longest: int) -> tuple[int, ...]:
    """Those of ``POWERS_OF_TWO``, at least two, below the length of the longest video: others see only padding."""
    return tuple(candidate for candidate in POWERS_OF_TWO if candidate < max(longest, 3))


@dataclass(frozen=True)
class Layer:
    """A searchable convolution."""

    label: str
    """Short name, of letters and digits, for NNI's parameters and for figures: ``s1l0``."""
    path: str
    """Path of its module, ``stage1.layers.0.conv_dilated``: the key in structure files, the prefix in state dicts."""
    hand: int
    """The dilation chosen by the authors of the network."""
    kernel_size: int = 3
    partner: str | None = None
    """Label of the layer in parallel to it, with the same input (dual dilated layers)."""
    multiply_adds: int = field(default=0, compare=False)
    """For each frame and each time that its block is applied: what leaving the layer out saves."""


@dataclass(frozen=True)
class Block:
    """Layers in sequence, partners in parallel; for example a stage."""

    name: str
    layers: tuple[Layer, ...]
    repeats: int = 1
    """How often it is applied: refinement stages can share their weights."""


class Option(NamedTuple):
    """A numeric option of a network."""

    name: str
    value: int
    """Its value in a network; in a declaration, its default."""
    least: int = 1
    default: int | None = None
    """Set in networks only."""


@dataclass(frozen=True)
class Network:
    """The searchable convolutions of a network, block by block, and its options."""

    name: str
    """That of its file in nas_space/networks: ``ms-tcn``."""
    options: tuple[Option, ...]
    blocks: tuple[Block, ...]
    causal: bool = False
    """Whether an output depends on the present and the past only."""

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """All searchable convolutions, in order."""
        return tuple(layer for block in self.blocks for layer in block.layers)

    @cached_property
    def paths(self) -> dict[str, str]:
        """Module path of each searchable convolution by label, in order."""
        return {layer.label: layer.path for layer in self.layers}

    @property
    def can_leave_out(self) -> bool:
        """Whether layers can be left out, with a dilation of 0."""
        return True

    def built_path(self, layer: Layer) -> str:
        """Path, in the built network, of what is replaced to give a layer branches."""
        return layer.path

    def option(self, name: str) -> int:
        """The value of an option."""
        return next(option.value for option in self.options if option.name == name)

    def to_json(self) -> dict[str, Any]:
        """Name and options, as ``nas_space.networks.network_from_json`` reads them."""
        return {"name": self.name, **{option.name: option.value for option in self.options}}

    def __str__(self) -> str:
        """As ``--network`` takes it."""
        chosen = [f"{option.name}={option.value}" for option in self.options if option.value != option.default]
        return f"{self.name}:{','.join(chosen)}".rstrip(":")


def chosen_options(network: str, known: Sequence[Option], chosen: Mapping[str, Any]) -> tuple[Option, ...]:
    """The options of a network with the chosen values.

    Raises:
        BadInput: an option is unknown, or its value is no whole number of at least ``least`` and at most
            ``LARGEST_SIZE``.
    """
    for name in chosen:
        if name not in {option.name for option in known}:
            raise BadInput(f"network {network} has no option {name!r}, but {', '.join(each.name for each in known)}")
    options = []
    for option in known:
        value = chosen.get(option.name, option.value)
        if type(value) is not int or not option.least <= value <= LARGEST_SIZE:
            allowed = f"a whole number from {option.least} to {LARGEST_SIZE}"
            raise BadInput(f"network {network}: {option.name} must be {allowed}, not {value!r}")
        options.append(option._replace(value=value, default=option.value))
    return tuple(options)


def parse_network(text: str) -> tuple[str, dict[str, int]]:
    """Name and options of ``name`` or ``name:option=number,...``. Raises BadInput for anything else."""
    name, _, rest = text.partition(":")
    options: dict[str, int] = {}
    for word in rest.split(",") if rest else []:
        found = re.fullmatch(r"\s*(\w+)\s*=\s*(\d{1,9})\s*", word, re.ASCII)
        if found is None or found[1] in options:
            raise BadInput(f"network {text!r}: write it as {name}:option=number,option=number")
        options[found[1]] = int(found[2])
    return name, options
