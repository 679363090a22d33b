"""Structures that leave layers out: a dilation of 0."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nas_space import searchable
from nas_space.branching import Branching
from nas_space.layers import dual_stage, residual
from nas_space.layers.packed_videos import PackedVideos
from nas_space.networks import build, find_network
from nas_space.receptive_field import ReceptiveField
from nas_space.structure import Structure

VIDEOS = PackedVideos(torch.randn(20, 4, generator=torch.Generator().manual_seed(0)), (0, 7, 20))


def outputs_and_gradients(module: nn.Module) -> list[Tensor]:
    output = module.eval()(VIDEOS)
    return [output, *torch.autograd.grad(output.square().sum(), list(module.parameters()))]


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("name", ["ms-tcn", "causal-ms-tcn"])
def test_it_is_the_network_with_fewer_layers(name: str, packed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(residual, "is_packed", lambda *_: packed)
    long, short = (find_network(f"{name}:stages=2,layers={layers},channels=5") for layers in (3, 2))
    structure = Structure((2, 0, 1, 0, 3, 4), long)
    one, other = build(structure, 4, 3), build(Structure((2, 1, 3, 4), short), 4, 3)
    assert [weight.shape for weight in one.parameters()] == [weight.shape for weight in other.parameters()]
    other.load_state_dict(dict(zip(other.state_dict(), one.state_dict().values(), strict=True)))
    for found, expected in zip(outputs_and_gradients(one), outputs_and_gradients(other), strict=True):
        assert torch.equal(found, expected)
    assert ReceptiveField.of(structure).network == ReceptiveField.of(Structure((2, 1, 3, 4), short)).network


@pytest.mark.parametrize("packed", [True, False])
def test_a_convolution_of_a_dual_layer_is_left_out_with_its_half_of_the_fusion(
    packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dual_stage, "is_packed", lambda *_: packed)
    network = find_network("ms-tcn++:prediction=3,refinements=0,channels=5")
    whole = build(Structure((4, 1, 2, 2, 1, 4), network), 4, 3)
    part = build(Structure((4, 0, 0, 2, 0, 0), network), 4, 3)
    weights = {name: whole.state_dict()[name] for name in part.state_dict()}
    weights["PG.conv_fusion.0.weight"] = weights["PG.conv_fusion.0.weight"][:, :5]
    weights["PG.conv_fusion.1.weight"] = weights["PG.conv_fusion.1.weight"][:, 5:]
    part.load_state_dict(weights)
    with torch.no_grad():
        for path in ("conv_dilated_2.0", "conv_dilated_1.1"):
            for parameter in whole.get_submodule(f"PG.{path}").parameters():
                parameter.zero_()
        for parameter in whole.get_submodule("PG.conv_fusion.2").parameters():
            parameter.zero_()
    torch.testing.assert_close(part.eval()(VIDEOS), whole.eval()(VIDEOS))


@pytest.mark.parametrize("name", ["ms-tcn:stages=2", "ms-tcn++:prediction=2,refinements=1,shared=1"])
def test_a_stage_may_lose_all_its_layers(name: str) -> None:
    network = find_network(f"{name}{',' if ':' in name else ':'}layers=2,channels=5")
    module = build(Structure((0,) * len(network.layers), network), 4, 3)
    assert all(gradient.isfinite().all() for gradient in outputs_and_gradients(module))
    assert ReceptiveField.of(Structure((0,) * len(network.layers), network)).network.frames == 1


@pytest.mark.parametrize("name", ["ms-tcn:stages=2", "ms-tcn++:prediction=2,refinements=1"])
def test_a_local_search_moves_the_layers_that_are_there(name: str) -> None:
    network = find_network(f"{name},layers=2,channels=5")
    structure = Structure((0, 4, *(2,) * (len(network.layers) - 2)), network)
    module = build(structure, 4, 3)
    searchable.expand(module, structure, Branching(3, 0.5))
    learned = searchable.probabilities(module, network)
    assert list(map(len, learned.values())) == [1, *(3,) * (len(network.layers) - 1)]
    assert all(gradient.isfinite().all() for gradient in outputs_and_gradients(module))
    searchable.collapse(module, structure)
    plain = build(structure, 4, 3)
    plain.load_state_dict(module.state_dict())
    assert torch.equal(plain.eval()(VIDEOS), module.eval()(VIDEOS))
