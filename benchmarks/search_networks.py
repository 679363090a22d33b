"""The networks that searches train: MS-TCN with one dilation a layer, with branches around it, with all candidates."""

from __future__ import annotations

from torch import nn

from benchmarks.reference import MS_TCN
from nas_space.branching import Branching
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


def search_network(name: str, feature_dim: int, classes: int) -> nn.Module:
    """One of ``NETWORKS``, at the start of its training."""
    network = build(START, feature_dim, classes)
    if name == "branched":
        expand(network, START, Branching(count=3))
    if name == "choosing":
        choose(network, MS_TCN, dict.fromkeys(MS_TCN.paths, POWERS_OF_TWO))
    return network
