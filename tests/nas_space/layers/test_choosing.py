"""Convolutions that choose among candidate dilations."""

from __future__ import annotations

import math

import pytest
import torch

from nas_space import searchable
from nas_space.layers.convolutions import ChoosingConv, DilatedConv
from nas_space.layers.packed_videos import PackedVideos
from nas_space.layers.residual import DilatedResidualLayer
from nas_space.networks import build, ms_tcn
from nas_space.structure import Structure

CANDIDATES = (1, 2, 4)
NETWORK = ms_tcn.describe(stages=2, layers=2, channels=5)


def choosing(weights: list[float], temperature: float = 1.0) -> ChoosingConv:
    conv = ChoosingConv.among(DilatedConv(3, 3, 3, 1), CANDIDATES)
    with torch.no_grad():
        conv.branch_weights.copy_(torch.tensor(weights))
    conv.temperature = temperature
    return conv


def test_all_candidates_are_equal_at_first() -> None:
    conv = ChoosingConv.among(DilatedConv(3, 3, 3, 1), CANDIDATES)
    assert conv.probabilities().tolist() == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_probabilities_are_a_softmax_that_the_cold_sharpens(temperature: float) -> None:
    powers = [math.exp(weight / temperature) for weight in (0.0, 0.5, -0.5)]
    expected = [power / sum(powers) for power in powers]
    assert choosing([0.0, 0.5, -0.5], temperature).probabilities().tolist() == pytest.approx(expected)


def test_it_mixes_convolutions_of_its_own_weights() -> None:
    torch.manual_seed(0)
    conv = choosing([0.2, -0.1, 0.4])
    frames, offsets = torch.randn(11, 3), (0, 4, 11)
    alone = [conv.collapse(dilation)(frames, offsets) for dilation in CANDIDATES]
    expected = sum(share * output for share, output in zip(conv.probabilities().tolist(), alone, strict=True))
    torch.testing.assert_close(conv(frames, offsets), expected)


def test_both_forms_of_a_layer_learn_the_same_choice() -> None:
    gradients = []
    for form in (DilatedResidualLayer.__call__, DilatedResidualLayer.padded):
        torch.manual_seed(0)
        layer = DilatedResidualLayer(3, 3, 1, dropout=0.0).double()
        layer.conv_dilated = ChoosingConv.among(layer.conv_dilated, CANDIDATES).double()
        layer.conv_dilated.temperature = 0.7
        frames = torch.randn(11, 3, dtype=torch.float64)
        form(layer, frames, (0, 4, 11)).square().sum().backward()
        gradient = layer.conv_dilated.branch_weights.grad
        assert gradient is not None
        gradients.append(gradient)
    assert gradients[0].abs().max() > 1e-3
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=1e-12)


def test_a_network_chooses_and_becomes_what_it_chose() -> None:
    torch.manual_seed(0)
    network = build(Structure.hand(NETWORK), 4, 3).eval()
    searchable.choose(network, NETWORK, dict.fromkeys(NETWORK.paths, CANDIDATES))
    structure = Structure((4, 1, 2, 2), NETWORK)
    for path, dilation in structure.by_path().items():
        conv = network.get_submodule(path)
        assert isinstance(conv, ChoosingConv)
        torch.nn.init.zeros_(conv.branch_weights)
        conv.branch_weights.data[CANDIDATES.index(dilation)] = 1.0
    searchable.set_temperature(network, 0.01)
    assert [max(learnt) for learnt in searchable.probabilities(network, NETWORK).values()] == pytest.approx([1.0] * 4)
    videos = PackedVideos(torch.randn(20, 4), (0, 20))
    mixture = network(videos)
    searchable.collapse(network, structure)
    torch.testing.assert_close(network(videos), mixture)


def test_each_layer_has_candidates_of_its_own() -> None:
    network = build(Structure.hand(NETWORK), 4, 3)
    candidates = {label: tuple(range(1, 3 + layer)) for layer, label in enumerate(NETWORK.paths)}
    searchable.choose(network, NETWORK, candidates)
    assert [len(learnt) for learnt in searchable.probabilities(network, NETWORK).values()] == [2, 3, 4, 5]
    for label, path in NETWORK.paths.items():
        conv = network.get_submodule(path)
        assert isinstance(conv, ChoosingConv)
        assert conv.branches == candidates[label]
