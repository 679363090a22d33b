"""Put branches in place of the searchable convolutions of a network, and take them away again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from nas_space.branching import Branching
from nas_space.layers.convolutions import BranchedConv, ChoosingConv, DilatedConv
from nas_space.network import Network
from nas_space.structure import Structure


def expand(module: nn.Module, structure: Structure, branching: Branching, inner_activation: bool = False) -> None:
    """Put branches around the dilation of every searchable convolution, in place."""
    for path, dilation in structure.by_path().items():
        conv = module.get_submodule(path)
        assert isinstance(conv, DilatedConv)
        module.set_submodule(path, BranchedConv.expand(conv, branching.expand(dilation), inner_activation))


def choose(module: nn.Module, network: Network, candidates: Mapping[str, Sequence[int]]) -> None:
    """Let every searchable convolution choose among its candidate dilations, given by label, in place."""
    for label, path in network.paths.items():
        conv = module.get_submodule(path)
        assert isinstance(conv, DilatedConv)
        module.set_submodule(path, ChoosingConv.among(conv, candidates[label]))


def set_temperature(module: nn.Module, temperature: float) -> None:
    """Set how decided the choices of a network are."""
    for each in module.modules():
        if isinstance(each, ChoosingConv):
            each.temperature = temperature


def collapse(module: nn.Module, structure: Structure) -> None:
    """Put plain convolutions with the dilations of a structure in place of branched ones."""
    for path, dilation in structure.by_path().items():
        branched = module.get_submodule(path)
        assert isinstance(branched, BranchedConv)
        module.set_submodule(path, branched.collapse(dilation))


def probabilities(module: nn.Module, network: Network) -> dict[str, list[float]]:
    """The probabilities of the branches of every searchable convolution, by label."""
    learned = {}
    for label, path in network.paths.items():
        branched = module.get_submodule(path)
        assert isinstance(branched, BranchedConv)
        learned[label] = branched.probabilities().tolist()
    return learned
