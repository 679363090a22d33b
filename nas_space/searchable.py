"""Replace the searchable convolutions of a network by branched ones, and the other way round."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from torch import nn

from nas_space.branching import Branching
from nas_space.layers.branches import Branches, Choices, SearchableConv
from nas_space.layers.convolutions import LeftOut
from nas_space.network import Layer, Network
from nas_space.structure import Structure

Conv = TypeVar("Conv", SearchableConv, Branches, Choices)


def expand(module: nn.Module, structure: Structure, branching: Branching, inner_activation: bool = False) -> None:
    """Put branches around the dilation of every searchable convolution, in place."""
    network, branches = structure.network, branching.branches(structure)
    for layer, conv in _searchable(module, network, SearchableConv):
        module.set_submodule(network.built_path(layer), conv.branched(branches[layer.label], inner_activation))


def keep_branches(module: nn.Module, structure: Structure) -> None:
    """Give every searchable convolution of which the structure keeps several branches these, in place."""
    network, kept = structure.network, structure.branches_by_label()
    for layer, conv in _searchable(module, network, SearchableConv):
        branches = kept[layer.label]
        if len(branches) > 1:
            branched = conv.branched([branch.dilation for branch in branches])
            assert isinstance(branched, Branches)
            branched.set_shares([branch.share for branch in branches])
            module.set_submodule(network.built_path(layer), branched)


def learned_shares(module: nn.Module, structure: Structure) -> Structure:
    """The structure of a network whose branches have learned on: the same, with the shares that they have now."""
    network, branches = structure.network, structure.branches_by_label()
    for layer, conv in _searchable(module, network, SearchableConv):
        if isinstance(conv, Branches):
            shares = conv.probabilities().tolist()
            pairs = zip(branches[layer.label], shares, strict=True)
            branches[layer.label] = tuple(branch._replace(share=share) for branch, share in pairs)
    return replace(structure, branches=tuple(branches.values())) if structure.branches else structure


def choose(module: nn.Module, network: Network, candidates: Mapping[str, Sequence[int]]) -> None:
    """Let every searchable convolution choose among its candidate dilations, given by label, in place."""
    for layer, conv in _searchable(module, network, SearchableConv):
        module.set_submodule(network.built_path(layer), conv.choosing(candidates[layer.label]))


def decide_leaving_out_first(module: nn.Module, network: Network) -> None:
    """Let each convolution that chooses decide first whether its layer is left out, then its dilation."""
    for conv in choices(module, network).values():
        conv.gate()


def set_temperature(module: nn.Module, temperature: float) -> None:
    """Set the temperature of all choices of a network."""
    for each in module.modules():
        if isinstance(each, Choices):
            each.temperature = temperature


def collapse(module: nn.Module, structure: Structure) -> None:
    """Replace branched convolutions by plain ones with the dilations of a structure, in place."""
    network, dilations = structure.network, structure.by_label()
    for layer, branched in _searchable(module, network, Branches):
        module.set_submodule(network.built_path(layer), branched.collapse(dilations[layer.label]))


def probabilities(module: nn.Module, network: Network) -> dict[str, list[float]]:
    """The branch probabilities of every searchable convolution, by label: 1 for a layer that is left out."""
    branched = {layer.label: conv.probabilities().tolist() for layer, conv in _searchable(module, network, Branches)}
    return {label: branched.get(label, [1.0]) for label in network.paths}


def choices(module: nn.Module, network: Network) -> dict[str, Choices]:
    """The convolutions that choose, by label."""
    return {layer.label: conv for layer, conv in _searchable(module, network, Choices)}


def _searchable(module: nn.Module, network: Network, kind: type[Conv]) -> Iterator[tuple[Layer, Conv]]:
    """The layers that are not left out, each with its convolution."""
    for layer in network.layers:
        conv = module.get_submodule(network.built_path(layer))
        if not isinstance(conv, LeftOut):
            assert isinstance(conv, kind)
            yield layer, conv
