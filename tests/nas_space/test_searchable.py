"""Networks that keep several branches in a layer: how these start, and what they have learned."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from common.atomic_file import write_json
from nas_space.describe import describe_network
from nas_space.layers.branches import BRANCH_WEIGHTS
from nas_space.layers.packed_videos import PackedVideos
from nas_space.network import Network
from nas_space.networks import build, find_network
from nas_space.searchable import learned_shares
from nas_space.structure import Branch, Structure

FEATURES, CLASSES = 5, 3
NETWORKS = ["ms-tcn:stages=1,layers=2", "causal-ms-tcn:stages=1,layers=2", "ms-tcn++:prediction=1,refinements=0", "own"]


@pytest.fixture(params=NETWORKS)
def network(request: pytest.FixtureRequest, tmp_path: Path) -> Network:
    if request.param != "own":
        return find_network(request.param)
    write_json(tmp_path / "net.json", describe_network("tests.own_networks:residual", FEATURES, CLASSES).to_json())
    return find_network(str(tmp_path / "net.json"))


def with_branches(network: Network) -> Structure:
    """Two branches of the shares 1/4 and 3/4 in the first layer, one dilation in the others."""
    first, *_ = network.paths
    return Structure.from_labels({**Structure.hand(network).to_labels(), first: [[2, 0.25], [5, 0.75]]}, network)


def test_branches_start_with_their_shares(network: Network) -> None:
    structure = with_branches(network)
    module = build(structure, FEATURES, CLASSES)
    (name,) = (name for name in module.state_dict() if name.endswith(BRANCH_WEIGHTS))
    # In the mean 0.01, as the weights of a search start.
    assert module.state_dict()[name].tolist() == pytest.approx([0.005, 0.015])
    (learned, *others) = learned_shares(module, structure).branches
    assert [branch.dilation for branch in learned] == [2, 5]
    assert [branch.share for branch in learned] == pytest.approx([0.25, 0.75])
    assert others == [(Branch(dilation, 1.0),) for dilation in structure.dilations[1:]]


def test_the_weights_are_those_of_the_network_without_branches(network: Network) -> None:
    torch.manual_seed(0)
    plain = build(Structure.hand(network), FEATURES, CLASSES).state_dict()
    torch.manual_seed(0)
    branched = build(with_branches(network), FEATURES, CLASSES).state_dict()
    assert {name for name in branched if not name.endswith(BRANCH_WEIGHTS)} == plain.keys()
    assert all(torch.equal(branched[name], weight) for name, weight in plain.items())


def test_branches_learn_on(network: Network) -> None:
    structure = with_branches(network)
    module = build(structure, FEATURES, CLASSES).train()
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-3)
    module(PackedVideos(torch.randn(40, FEATURES), (0, 40))).square().sum().backward()
    optimizer.step()
    before, after = (each.branches[0] for each in (structure, learned_shares(module, structure)))
    assert [branch.share for branch in after] != pytest.approx([branch.share for branch in before], abs=1e-6)
    assert sum(branch.share for branch in after) == pytest.approx(1)


def test_one_dilation_a_layer_has_nothing_to_learn(network: Network) -> None:
    hand = Structure.hand(network)
    assert learned_shares(build(hand, FEATURES, CLASSES), hand) is hand
