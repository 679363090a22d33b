"""The plain form of a network equals the packed one, and only the plain one can be traced."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from common.atomic_file import write_json
from nas_space.describe import describe_network
from nas_space.folding import fold, foldable
from nas_space.layers.packed_videos import PackedVideos
from nas_space.layers.plain import PlainNetwork
from nas_space.networks import build, find_network, ms_tcn
from nas_space.searchable import choose
from nas_space.structure import Structure
from tests.nas_space.generators import branched_structures

FEATURES, CLASSES = 5, 3
NETWORK = ms_tcn.describe(stages=1, layers=2, channels=8)


def double(structure: Structure) -> nn.Module:
    torch.manual_seed(0)
    return build(structure, FEATURES, CLASSES).double().eval()


def both(module: nn.Module, frames: int) -> tuple[Tensor, Tensor]:
    """Logits ``(frames, classes)`` of the plain form, and of the last output of the network itself."""
    features = torch.randn(frames, FEATURES, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with torch.no_grad():
        return PlainNetwork(module)(features.T[None])[0].T, module(PackedVideos(features, (0, frames)))[-1]


@given(branched_structures(channels=4, largest=12), st.integers(1, 30), st.booleans())
def test_every_network_has_it(structure: Structure, frames: int, folded: bool) -> None:
    module = double(structure)
    if folded:
        fold(module, structure, foldable(structure))
    torch.testing.assert_close(*both(module, frames), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("text", ["ms-tcn", "ms-tcn++:shared=1", "causal-ms-tcn"])
def test_layers_that_are_left_out_are_not_there(text: str) -> None:
    network = find_network(text)
    label, *_, last = network.paths
    structure = Structure.from_labels({**Structure.hand(network).by_label(), label: 0, last: 0}, network)
    module = double(structure)
    torch.testing.assert_close(*both(module, 20), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", ["residual", "chomped", "planar"])
def test_networks_of_others_have_it(kind: str, tmp_path: Path) -> None:
    write_json(tmp_path / "net.json", describe_network(f"tests.own_networks:{kind}", FEATURES, CLASSES).to_json())
    network = find_network(str(tmp_path / "net.json"))
    first, *_ = network.paths
    hand = Structure.hand(network).to_labels()
    for structure in (hand, {**hand, first: [[2, 0.25], [7, 0.75]]}):
        module = double(Structure.from_labels(structure, network))
        torch.testing.assert_close(*both(module, 40), rtol=1e-12, atol=1e-12)


def test_a_network_that_is_searched_has_none() -> None:
    module = double(Structure.hand(NETWORK))
    choose(module, NETWORK, dict.fromkeys(NETWORK.paths, (0, 1, 2)))
    with pytest.raises(TypeError, match="a network that is searched has no plain form"):
        PlainNetwork(module)


class Packed(nn.Module):
    """A network of ours, as if it could be called like any module."""

    def __init__(self) -> None:
        super().__init__()
        self.network = double(Structure.hand(NETWORK))

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.network(PackedVideos(features, (0, 20)))
        return logits


def test_the_packed_form_refuses_to_be_traced() -> None:
    example = torch.randn(20, FEATURES, dtype=torch.float64)
    refused = pytest.raises(RuntimeError, match=r"cannot be traced: export it with trials\.export_onnx")
    with refused, pytest.warns(DeprecationWarning, match="torch.jit.trace"):
        torch.jit.trace(Packed(), (example,))
    with pytest.raises(Exception, match=r"cannot be traced: export it with trials\.export_onnx"):
        torch.export.export(Packed(), (example,))
