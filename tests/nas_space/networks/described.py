"""Networks of tests/own_networks.py, described and built."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from common.atomic_file import write_json
from nas_space.describe import describe_network
from nas_space.layers.packed_videos import PackedVideos
from nas_space.networks import build, find_network
from nas_space.networks.your_own import OwnNetwork
from nas_space.structure import Structure

FEATURES, CLASSES = 5, 3
KINDS = ("residual", "chomped", "planar")


def described(kind: str, folder: Path) -> OwnNetwork:
    """The network of a function of tests/own_networks.py, named by its file."""
    path = folder / f"{kind}.json"
    write_json(path, describe_network(f"tests.own_networks:{kind}", FEATURES, CLASSES).to_json())
    network = find_network(str(path))
    assert isinstance(network, OwnNetwork)
    return network


def double(structure: Structure) -> nn.Module:
    torch.manual_seed(0)
    return build(structure, FEATURES, CLASSES).double()


def videos(*lengths: int) -> PackedVideos:
    features = torch.randn(sum(lengths), FEATURES, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return PackedVideos(features, (0, *torch.tensor(lengths).cumsum(0).tolist()))
