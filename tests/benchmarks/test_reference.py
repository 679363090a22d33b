"""The reference side of the benchmarks computes what our network does: else its speed would say nothing."""

from __future__ import annotations

import pytest
import torch

from benchmarks.reference import ReferenceNetwork
from nas_space.branching import Branching
from nas_space.layers.packed_videos import PackedVideos
from nas_space.networks import build, find_network
from nas_space.searchable import expand
from nas_space.structure import Structure


@pytest.mark.parametrize("branched", [False, True], ids=["plain", "branched"])
def test_logits_and_gradients_of_a_video_are_the_same(branched: bool) -> None:
    torch.manual_seed(0)
    network, branching = find_network("ms-tcn:stages=2,layers=3"), Branching(rate=0.5)
    structure = Structure((1, 2, 9, 4, 16, 3), network)
    ours = build(structure, feature_dim=5, classes=4).eval()  # without dropout
    if branched:
        expand(ours, structure, branching)
    ours = ours.double()
    several = [[branching.expand(d) if branched else (d,) for d in stage] for stage in structure.by_block()]
    theirs = ReferenceNetwork(several, 5, 4, torch.nn.Identity).double()
    theirs.load_state_dict(ours.state_dict())
    features = torch.randn(30, 5, dtype=torch.float64)
    result = ours(PackedVideos(features, (0, 30)))
    expected = theirs(features.t()[None], torch.ones(1, 1, 30, dtype=torch.float64)).squeeze(1).transpose(1, 2)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-10)
    slope = torch.randn_like(result)
    (result * slope).sum().backward()
    (expected * slope).sum().backward()
    gradients = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name], rtol=0, atol=1e-10)
