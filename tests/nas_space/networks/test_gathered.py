"""All networks in the gathered form, which a GPU takes, against the packed one: outputs and gradients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from nas_space import searchable
from nas_space.branching import Branching
from nas_space.layers.on_gpu.indexed_offsets import IndexedOffsets
from nas_space.layers.packed_videos import PackedVideos
from nas_space.network import Network
from nas_space.networks import build, find_network
from nas_space.structure import Structure
from tests.nas_space.networks.packed import with_dropout

CPU = torch.device("cpu")
OFFSETS = (0, 9, 10, 60, 64)
NETWORKS = ["ms-tcn:stages=2,layers=4", "ms-tcn:stages=1,layers=3,kernel=5", "causal-ms-tcn:stages=2,layers=3"]
NETWORKS += ["ms-tcn++:prediction=3,refinements=2,layers=2", "ms-tcn++:prediction=3,refinements=2,layers=2,shared=1"]

Change = Callable[[nn.Module, Structure], object]


def choose(module: nn.Module, structure: Structure) -> None:
    network = structure.network
    searchable.choose(module, network, dict.fromkeys(network.paths, (1, 0, 4, 64)))
    for conv in searchable.choices(module, network).values():
        conv.set_logits(torch.randn(4))


def choose_leaving_out_first(module: nn.Module, structure: Structure) -> None:
    choose(module, structure)
    searchable.decide_leaving_out_first(module, structure.network)


CHANGES: dict[str, Change] = {
    "plain": lambda *_: None,
    "branched": lambda module, structure: searchable.expand(module, structure, Branching(3, 0.5)),
    "activated": lambda module, structure: searchable.expand(module, structure, Branching(3, 0.5), True),
    "choosing": choose,
    "leaving out first": choose_leaving_out_first,
}
"""What becomes of the searchable convolutions."""


def hand(name: str) -> Structure:
    return Structure.hand(find_network(f"{name},channels=6"))


def module_of(structure: Structure, change: Change = CHANGES["plain"]) -> nn.Module:
    """In float64, without dropout."""
    torch.manual_seed(0)
    module = build(structure, feature_dim=5, classes=4)
    change(module, structure)
    return with_dropout(module, 0.0).double()


def features() -> Tensor:
    return torch.randn(OFFSETS[-1], 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def outputs_and_gradients(module: nn.Module, offsets: tuple[int, ...]) -> dict[str, Tensor]:
    output = module(PackedVideos(features(), offsets))
    module.zero_grad()
    output.square().sum().backward()
    return {"output": output, **{name: each.grad for name, each in module.named_parameters() if each.grad is not None}}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_the_packed_form(name: str, change: Change) -> None:
    module = module_of(hand(name), change)
    packed = outputs_and_gradients(module, OFFSETS)
    gathered = outputs_and_gradients(module, IndexedOffsets.on(CPU, OFFSETS))
    assert packed.keys() == gathered.keys()
    torch.testing.assert_close(gathered, packed, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dilations", [(2, 0, 1, 0, 0, 40), (0,) * 6])
def test_layers_are_left_out(dilations: tuple[int, ...]) -> None:
    module = module_of(Structure(dilations, find_network("ms-tcn:stages=2,layers=3,channels=6")))
    packed = outputs_and_gradients(module, OFFSETS)
    gathered = outputs_and_gradients(module, IndexedOffsets.on(CPU, OFFSETS))
    torch.testing.assert_close(gathered, packed, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("name", NETWORKS)
def test_bf16_is_near(name: str, change: Change) -> None:
    module = module_of(hand(name), change).float()
    videos = PackedVideos(features().float(), IndexedOffsets.on(CPU, OFFSETS))
    exact = module(videos)
    module.zero_grad()
    exact.square().mean().backward()
    gradients = [each.grad for each in module.parameters()]
    module.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        rounded = module(videos)
    rounded.float().square().mean().backward()
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.float(), exact, rtol=0.05, atol=0.05)
    for parameter, gradient in zip(module.parameters(), gradients, strict=True):
        assert parameter.grad is not None
        assert gradient is not None
        assert parameter.grad.dtype == torch.float32
        torch.testing.assert_close(parameter.grad, gradient, rtol=0.2, atol=0.02)


def test_all_structures_do_the_same_operators() -> None:
    """So that what is recorded of one serves all: dilations are numbers in a table, not shapes."""
    network: Network = find_network("ms-tcn:stages=1,layers=3,channels=6")
    recorded = []
    for dilations in ((1, 2, 4), (500, 1, 7)):
        module = module_of(Structure(dilations, network))
        outputs_and_gradients(module, IndexedOffsets.on(CPU, OFFSETS))  # takes the dilations to the device, once
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True) as profile:
            outputs_and_gradients(module, IndexedOffsets.on(CPU, OFFSETS))
        recorded.append([(event.name, event.input_shapes) for event in profile.events()])
    assert recorded[0] == recorded[1]
