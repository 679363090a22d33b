"""Receptive field: the input frames that one output frame depends on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

from nas_space.network import Block, Network
from nas_space.structure import Structure


class Extent(NamedTuple):
    """Number of frames seen before and after the present one, at the frame rate of the network's input."""

    past: int
    future: int

    @property
    def frames(self) -> int:
        """All frames seen, the present one included."""
        return self.past + 1 + self.future


@dataclass(frozen=True)
class ReceptiveField:
    """The receptive field of a structure.

    A convolution of kernel size k and dilation d reaches (k - 1) d frames: half of them on each side, or all of them
    into the past if it is causal. Reaches of layers in sequence add up; of parallel partners the longer one counts.
    """

    layers: tuple[tuple[Extent, ...], ...]
    """(blocks, layers): of each convolution alone."""
    after: tuple[Extent, ...]
    """(layers,): of the network up to and including each layer."""
    blocks: tuple[Extent, ...]
    """(blocks,): of each block alone."""
    network: Extent
    """Of the whole network."""

    @classmethod
    def of(cls, structure: Structure) -> ReceptiveField:
        """The receptive field of a network with this structure."""
        reaches, sums = _reaches(structure.network, structure.dilations)
        before = accumulate((of_block[-1] for of_block in sums), initial=0)
        after = [seen + reach for seen, of_block in zip(before, sums, strict=False) for reach in of_block]
        causal = structure.network.causal
        return cls(
            layers=tuple(tuple(_extent(reach, causal) for reach in of_block) for of_block in reaches),
            after=tuple(_extent(reach, causal) for reach in after),
            blocks=tuple(_extent(of_block[-1], causal) for of_block in sums),
            network=_extent(after[-1], causal),
        )


def block_reaches(network: Network, dilations: Sequence[float]) -> list[float]:
    """The reach of each block, past and future together: ``(blocks,)``.

    Args:
        dilations: (layers,), or what is expected of them.
    """
    return [of_block[-1] for of_block in _reaches(network, dilations)[1]]


def _reaches(network: Network, dilations: Sequence[Any]) -> tuple[list[list[Any]], list[list[Any]]]:
    """The reach of each layer alone, and that of each with all before it in its block: ``(blocks, layers)`` each."""
    rest = iter(dilations)
    reaches = [[(layer.kernel_size - 1) * next(rest) for layer in block.layers] for block in network.blocks]
    return reaches, [_sums(block, of_block) for block, of_block in zip(network.blocks, reaches, strict=True)]


def _sums(block: Block, reaches: list[Any]) -> list[Any]:
    """Cumulative reach after each layer of a block, ``(layers,)``, times the block's repeats."""
    of_label = {layer.label: reach for layer, reach in zip(block.layers, reaches, strict=True)}
    counted, added = set[str](), []
    for layer in block.layers:
        partners = [layer.label] if layer.partner is None else [layer.label, layer.partner]
        added.append(0 if layer.label in counted else max(of_label[label] for label in partners))
        counted |= set(partners)
    return [block.repeats * reach for reach in accumulate(added)]


def _extent(reach: int, causal: bool) -> Extent:
    return Extent(reach, 0) if causal else Extent(reach // 2, reach // 2)
