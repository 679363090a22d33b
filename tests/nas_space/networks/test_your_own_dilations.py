"""Networks of the user's own are exactly what they would be with other dilations, and their branches mix them."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from nas_space.branching import Branching
from nas_space.describe import describe_network
from nas_space.layers.packed_videos import PackedVideos
from nas_space.networks import find_network
from nas_space.searchable import choices, choose, collapse, expand, probabilities, set_temperature
from nas_space.structure import Structure
from tests import own_networks
from tests.nas_space.networks.described import CLASSES, FEATURES, KINDS, described, double, videos

OTHERS = ((1, 2, 4), (2, 1, 3), (7, 5, 1), (1, 1, 30))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dilations", OTHERS)
def test_other_dilations_give_the_network_built_with_them(
    kind: str, dilations: tuple[int, ...], tmp_path: Path
) -> None:
    searched = double(Structure(dilations, described(kind, tmp_path))).eval()
    reference = getattr(own_networks, kind)(FEATURES, CLASSES, dilations).double().eval()
    reference.load_state_dict(searched.state_dict())
    packed = videos(40)
    expected = reference(packed.features.T[None])
    expected = torch.stack(expected) if isinstance(expected, list) else expected
    expected = expected.reshape(-1, CLASSES, 40).transpose(1, 2)
    torch.testing.assert_close(searched(packed), expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_its_own_dilations_leave_it_as_it_is(kind: str, tmp_path: Path) -> None:
    searched = double(Structure.hand(described(kind, tmp_path)))
    torch.manual_seed(0)
    untouched = getattr(own_networks, kind)(FEATURES, CLASSES).double()
    own = untouched.state_dict()
    assert searched.state_dict().keys() == own.keys()
    assert all(torch.equal(value, own[name]) for name, value in searched.state_dict().items())
    packed = videos(40)
    outputs = untouched(packed.features.T[None])
    last = outputs[-1:] if isinstance(outputs, list) else outputs.reshape(-1, 1, CLASSES, 40)[-1]
    assert torch.equal(searched(packed)[-1], last[0][0].T if isinstance(outputs, list) else last[0].T)


@pytest.mark.parametrize("kind", KINDS)
def test_videos_of_a_batch_do_not_see_each_other(kind: str, tmp_path: Path) -> None:
    network = double(Structure.hand(described(kind, tmp_path)))  # in training, batch normalisation included
    packed = videos(17, 40, 9)
    apart = [network(PackedVideos(part, (0, len(part)))) for part in packed.features.split([17, 40, 9])]
    assert torch.equal(network(packed), torch.cat(apart, dim=1))


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_the_network_built_with_the_dilations(kind: str, tmp_path: Path) -> None:
    searched = double(Structure((3, 1, 2), described(kind, tmp_path)))
    reference = getattr(own_networks, kind)(FEATURES, CLASSES, (3, 1, 2)).double()
    reference.load_state_dict(searched.state_dict())
    packed = videos(25)
    searched(packed)[-1].square().sum().backward()
    reference(packed.features.T[None])[-1].square().sum().backward()
    gradients = {name: each.grad for name, each in reference.named_parameters()}
    for name, parameter in searched.named_parameters():
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, gradients[name.removeprefix("net.")], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_a_branch_of_probability_1_is_the_network_of_its_dilations(kind: str, tmp_path: Path) -> None:
    network = described(kind, tmp_path)
    around = Structure((8, 8, 8), network)
    branching = Branching(rate=0.5, maximum=32)
    module = double(around).eval()
    keys = set(module.state_dict())
    expand(module, around, branching)
    added = {f"{path}.searched.branch_weights" for path in network.paths.values()}
    assert set(module.state_dict()) == keys | added
    assert probabilities(module, network) == {label: pytest.approx([1 / 3] * 3) for label in network.paths}
    assert branching.branches(around)["c1"] == (4, 8, 12)
    module.double()
    packed = videos(30)
    for number, dilation in enumerate((4, 8, 12)):
        for name, parameter in module.named_parameters():
            if name.endswith("branch_weights"):
                parameter.data = torch.eye(3, dtype=torch.float64)[number]
        mixture = module(packed)
        alone = copy.deepcopy(module)
        collapse(alone, Structure((dilation,) * 3, network))
        assert set(alone.state_dict()) == keys
        torch.testing.assert_close(mixture, alone(packed), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("relu", [False, True])
def test_branches_are_mixed_by_their_probabilities(relu: bool, tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text(json.dumps(describe_network("tests.own_networks:Changed", FEATURES, CLASSES).to_json()))
    network = find_network(str(path))
    start = Structure((8,), network)
    module = double(start)
    conv = module.get_submodule("net.conv")
    expand(module, start, Branching(rate=0.5, maximum=32), inner_activation=relu)
    weights = torch.tensor([0.1, -0.3, 0.6], dtype=torch.float64)
    conv.get_submodule("searched").branch_weights.data = weights
    packed = videos(30)
    branches = [
        nn.functional.conv1d(packed.features.T[None], conv.weight, conv.bias, padding=d, dilation=d)[0].T  # type: ignore[arg-type]
        for d in (4, 8, 12)
    ]
    if relu:
        branches = [branch.relu() for branch in branches]
    expected = 0.1 * branches[0] + 0.3 * branches[1] + 0.6 * branches[2]
    torch.testing.assert_close(module(packed)[0], expected, rtol=1e-13, atol=1e-13)


def test_choices_have_a_temperature(tmp_path: Path) -> None:
    network = described("residual", tmp_path)
    module = double(Structure.hand(network))
    choose(module, network, dict.fromkeys(network.paths, (1, 3, 9)))
    assert [len(each.branches) for each in choices(module, network).values()] == [3, 3, 3]
    assert probabilities(module, network)["c2"] == pytest.approx([1 / 3] * 3)
    choices(module, network)["c2"].branch_weights.data = torch.tensor([0.0, 1.0, 2.0])
    set_temperature(module, 0.5)
    e = 2.718281828459045
    assert probabilities(module, network)["c2"] == pytest.approx([each / (1 + e**2 + e**4) for each in (1, e**2, e**4)])
