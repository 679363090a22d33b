"""The networks that searches train: MS-TCN with one dilation a layer, with branches around it, with all candidates."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from benchmarks.reference import MS_TCN
from nas_space.branching import Branching
from nas_space.layers.on_gpu.side_by_side import SideBySide
from nas_space.layers.stages import StagedNetwork
from nas_space.network import POWERS_OF_TWO
from nas_space.networks import build
from nas_space.searchable import choose, expand
from nas_space.structure import Structure

START = Structure((2, 2, 4, 8, 16, 32, 64, 128, 256, 512) * 4, MS_TCN)
"""Nearly the hand-designed structure; a dilation of 1 would have only two branches."""

NETWORKS = {
    "plain": "one dilation a layer: genetic search, final training",
    "branched": "3 branches a layer: local search",
    "choosing": "11 branches a layer: differentiable search",
}

AT_ONCE = {f"plain x {count}": count for count in (2, 4, 8)}
"""Several structures of one dilation a layer, which are trained at once."""


def search_network(name: str, feature_dim: int, classes: int) -> nn.Module:
    """One of ``NETWORKS`` or of ``AT_ONCE``, at the start of its training."""
    if name in AT_ONCE:
        candidates, generator = torch.tensor(POWERS_OF_TWO), torch.Generator().manual_seed(0)
        chosen = torch.randint(len(candidates), (AT_ONCE[name], len(MS_TCN.paths)), generator=generator)
        structures = (Structure(tuple(dilations), MS_TCN) for dilations in candidates[chosen].tolist())
        return SideBySide([cast(StagedNetwork, build(each, feature_dim, classes)) for each in structures])
    network = build(START, feature_dim, classes)
    if name == "branched":
        expand(network, START, Branching(count=3))
    if name == "choosing":
        choose(network, MS_TCN, dict.fromkeys(MS_TCN.paths, POWERS_OF_TWO))
    return network
