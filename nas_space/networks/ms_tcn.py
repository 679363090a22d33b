"""MS-TCN (Abu Farha and Gall, CVPR 2019) with the dilations of a Structure, over packed frames.

The state dict has the keys and shapes of the usual nn.Conv1d implementation, so that weights move both ways.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_space.branching import Branching
from nas_space.layers.convolutions import BranchedConv, ChoosingConv, DilatedConv, PointwiseConv
from nas_space.layers.mapped_features import MappedLinear
from nas_space.layers.residual import DilatedResidualLayer, residual_layers
from nas_space.structure import Structure


class Stage(nn.Module):
    """One stage: 1x1 convolution to the channels of the layers, the dilated layers, 1x1 convolution to the classes."""

    def __init__(
        self, in_channels: int, channels: int, classes: int, kernel_size: int, dilations: Sequence[int], dropout: float
    ) -> None:
        super().__init__()
        self.conv_1x1 = PointwiseConv(in_channels, channels)
        self.layers = nn.ModuleList(
            DilatedResidualLayer(channels, kernel_size, dilation, dropout) for dilation in dilations
        )
        self.conv_out = PointwiseConv(channels, classes)

    def forward(self, frames: Tensor, offsets: Sequence[int], let_go: Callable[[], object] | None = None) -> Tensor:
        """``(frames, in_channels)`` -> logits ``(frames, classes)``; ``let_go`` as in ``MSTCN.forward``."""
        layers, first = cast(Sequence[DilatedResidualLayer], self.layers), self.conv_1x1
        if let_go is None:
            hidden = first(frames)
        else:
            hidden = MappedLinear.apply(frames, first.weight[:, :, 0], first.bias, let_go)
        return self.conv_out(residual_layers(layers, hidden, offsets))


class MSTCN(nn.Module):
    """The network: stage 1 reads features, each later stage the softmax of the stage before (section 3.2)."""

    def __init__(
        self, structure: Structure, feature_dim: int, classes: int, channels: int = 64, dropout: float = 0.5
    ) -> None:
        super().__init__()
        kernel_size = structure.shape.kernel_size
        first, *later = structure.stages()
        self.structure = structure
        self.stage1 = Stage(feature_dim, channels, classes, kernel_size, first, dropout)
        self.stages = nn.ModuleList(
            Stage(classes, channels, classes, kernel_size, dilations, dropout) for dilations in later
        )

    def forward(self, features: Tensor, offsets: Sequence[int], let_go: Callable[[], object] | None = None) -> Tensor:
        """Packed features ``(frames, feature_dim)`` -> logits ``(stages, frames, classes)``.

        ``offsets`` (videos + 1): where each video begins, and where the last one ends. No video sees another one.
        ``let_go`` is given on a CPU, where features may be mapped from a file: see ``MappedLinear``.
        """
        logits = [self.stage1(features, offsets, let_go)]
        for stage in self.stages:
            logits.append(stage(F.softmax(logits[-1], dim=-1), offsets))
        return torch.stack(logits)


def expand_network(network: MSTCN, branching: Branching, inner_activation: bool = False) -> None:
    """Put branches around the dilation of every searchable convolution, in place."""
    for path, dilation in network.structure.by_path().items():
        conv = network.get_submodule(path)
        assert isinstance(conv, DilatedConv)
        network.set_submodule(path, BranchedConv.expand(conv, branching.expand(dilation), inner_activation))


def choose_among(network: MSTCN, candidates: Mapping[str, Sequence[int]]) -> None:
    """Let every searchable convolution choose among its candidate dilations, given by short label, in place."""
    for label, path in network.structure.shape.paths.items():
        conv = network.get_submodule(path)
        assert isinstance(conv, DilatedConv)
        network.set_submodule(path, ChoosingConv.among(conv, candidates[label]))


def set_temperature(network: MSTCN, temperature: float) -> None:
    """Set how decided the choices of a network are."""
    for module in network.modules():
        if isinstance(module, ChoosingConv):
            module.temperature = temperature


def collapse_network(network: MSTCN, structure: Structure) -> None:
    """Put plain convolutions with the dilations of a structure in place of branched ones."""
    for path, dilation in structure.by_path().items():
        branched = network.get_submodule(path)
        assert isinstance(branched, BranchedConv)
        network.set_submodule(path, branched.collapse(dilation))
    network.structure = structure


def branch_probabilities(network: MSTCN) -> dict[str, list[float]]:
    """What the branches of every searchable convolution have learnt, by short label."""
    learnt = {}
    for label, path in network.structure.shape.paths.items():
        branched = network.get_submodule(path)
        assert isinstance(branched, BranchedConv)
        learnt[label] = branched.probabilities().tolist()
    return learnt
