"""Convolutions that choose among candidate dilations."""

from __future__ import annotations

import math
from itertools import cycle, islice

import pytest
import torch

from nas_space import searchable
from nas_space.layers.convolutions import ChoosingConv, DilatedConv
from nas_space.layers.on_gpu.indexed_offsets import IndexedOffsets
from nas_space.layers.packed_videos import PackedVideos
from nas_space.layers.residual import DilatedResidualLayer
from nas_space.network import Network
from nas_space.networks import build, find_network, ms_tcn
from nas_space.structure import Structure

CANDIDATES = (1, 2, 4)
NETWORK = ms_tcn.describe(stages=2, layers=2, channels=5)
NETWORKS = [
    NETWORK,
    find_network("causal-ms-tcn:stages=2,layers=2,channels=5"),
    find_network("ms-tcn++:prediction=2,refinements=1,layers=2,channels=5"),
]


def among(candidates: tuple[int, ...]) -> ChoosingConv:
    conv = ChoosingConv.among(DilatedConv(3, 3, 3, 1), candidates)
    assert isinstance(conv, ChoosingConv)
    return conv


def choosing(weights: list[float], temperature: float = 1.0) -> ChoosingConv:
    conv = among(CANDIDATES)
    with torch.no_grad():
        conv.branch_weights.copy_(torch.tensor(weights))
    conv.temperature = temperature
    return conv


def test_all_candidates_are_equal_at_first() -> None:
    conv = among(CANDIDATES)
    assert conv.probabilities().tolist() == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_probabilities_are_a_softmax_that_the_cold_sharpens(temperature: float) -> None:
    powers = [math.exp(weight / temperature) for weight in (0.0, 0.5, -0.5)]
    expected = [power / sum(powers) for power in powers]
    assert choosing([0.0, 0.5, -0.5], temperature).probabilities().tolist() == pytest.approx(expected)


@pytest.mark.parametrize("candidates", [CANDIDATES, (2, 0, 1), (0, 3)])
@pytest.mark.parametrize("temperature", [1.0, 0.05])
@pytest.mark.parametrize("gated", [False, True])
def test_logits_are_read_as_they_were_set(candidates: tuple[int, ...], temperature: float, gated: bool) -> None:
    conv = among(candidates)
    assert conv.probabilities().tolist() == pytest.approx([1 / len(candidates)] * len(candidates))
    conv.temperature = temperature
    if gated:
        conv.gate()
        assert conv.gated == (0 in candidates)
    logits = torch.tensor([0.3, -0.2, 1.5][: len(candidates)])
    conv.set_logits(logits)
    expected = logits.double().log_softmax(dim=0)
    torch.testing.assert_close(conv.logits(), expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(conv.probabilities(), expected.exp().float())
    conv.set_logits(logits - 2000 * torch.tensor(candidates))  # its exponential is no number in single precision
    assert conv.logits().isfinite().all()
    assert conv.branch_weights.isfinite().all()


@pytest.mark.parametrize("gated", [False, True])
def test_the_cold_leaves_out_what_is_likeliest_alone_or_together(gated: bool) -> None:
    probabilities = torch.tensor([0.4, 0.15, 0.15, 0.15, 0.15])
    conv = among((0, 1, 2, 4, 8))
    conv.set_logits(probabilities.log())
    if gated:
        conv.gate()
    torch.testing.assert_close(conv.probabilities(), probabilities)
    assert conv.kept() is not None
    conv.temperature = 0.02
    assert conv.probabilities()[0].item() == pytest.approx(0 if gated else 1, abs=1e-6)


def test_it_mixes_convolutions_of_its_own_weights() -> None:
    torch.manual_seed(0)
    conv = choosing([0.2, -0.1, 0.4])
    frames, offsets = torch.randn(11, 3), (0, 4, 11)
    alone = [conv.collapse(dilation)(frames, offsets) for dilation in CANDIDATES]
    expected = sum(share * output for share, output in zip(conv.probabilities().tolist(), alone, strict=True))
    torch.testing.assert_close(conv(frames, offsets), expected)


@pytest.mark.parametrize("candidates", [CANDIDATES, (2, 0, 1)])
def test_all_forms_of_a_layer_learn_the_same_choice(candidates: tuple[int, ...]) -> None:
    gradients = []
    plain = (0, 4, 11)
    indexed = IndexedOffsets.on(torch.device("cpu"), plain)
    composed = DilatedResidualLayer.composed
    for form, offsets in ((DilatedResidualLayer.__call__, plain), (composed, plain), (composed, indexed)):
        torch.manual_seed(0)
        layer = DilatedResidualLayer(3, 3, 1, dropout=0.0).double()
        layer.conv_dilated = conv = among(candidates).double()
        conv.temperature = 0.7
        frames = torch.randn(11, 3, dtype=torch.float64)
        form(layer, frames, offsets).square().sum().backward()
        gradient = conv.branch_weights.grad
        assert gradient is not None
        gradients.append(gradient)
    assert gradients[0].abs().max() > 1e-3
    for other in gradients[1:]:
        torch.testing.assert_close(gradients[0], other, rtol=0, atol=1e-12)


def test_a_layer_is_left_out_in_part() -> None:
    torch.manual_seed(0)
    layer = DilatedResidualLayer(3, 3, 1, dropout=0.0)
    layer.conv_dilated = conv = among((0, 1, 4))
    conv.set_logits(torch.tensor([0.3, -0.2, 0.5]))
    frames, offsets = torch.randn(11, 3), (0, 4, 11)
    _, one, four = powers = [math.exp(weight) for weight in (0.3, -0.2, 0.5)]
    mixture = sum(
        power / (one + four) * convolution(frames, offsets)
        for power, dilation in ((one, 1), (four, 4))
        if isinstance(convolution := conv.collapse(dilation), DilatedConv)
    )
    assert isinstance(mixture, torch.Tensor)
    change = layer.conv_1x1(mixture.relu())
    torch.testing.assert_close(layer(frames, offsets), frames + (one + four) / sum(powers) * change)


def test_a_layer_that_is_surely_left_out_learns_finite_numbers() -> None:
    """At the lowest temperature, all other candidates together have a probability of 0 in single precision."""
    layer = DilatedResidualLayer(3, 3, 1, dropout=0.0)
    layer.conv_dilated = conv = among((0, 1, 4))
    conv.temperature = 0.02
    conv.set_logits(torch.tensor([250.0, 0.0, 50.0]))
    frames = torch.randn(11, 3)
    output = layer(frames, (0, 11))
    assert torch.equal(output, frames)
    output.sum().backward()
    assert all(bool(parameter.grad.isfinite().all()) for parameter in layer.parameters() if parameter.grad is not None)


@pytest.mark.parametrize("network", NETWORKS, ids=str)
@pytest.mark.parametrize("candidates", [CANDIDATES, (4, 0, 2, 1)])
def test_a_network_chooses_and_becomes_what_it_chose(network: Network, candidates: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    module = build(Structure.hand(network), 4, 3).eval()
    searchable.choose(module, network, dict.fromkeys(network.paths, candidates))
    structure = Structure(tuple(islice(cycle((4, candidates[1], 2, 2)), len(network.layers))), network)
    for path, dilation in structure.by_path().items():
        conv = module.get_submodule(path)
        assert isinstance(conv, ChoosingConv)
        conv.set_logits(torch.tensor([100.0 * (candidate == dilation) for candidate in candidates]))
    learned = searchable.probabilities(module, network)
    assert [max(each) for each in learned.values()] == pytest.approx([1.0] * len(network.layers))
    videos = PackedVideos(torch.randn(20, 4), (0, 20))
    mixture = module(videos)
    searchable.collapse(module, structure)
    torch.testing.assert_close(module(videos), mixture)


def test_a_layer_whose_only_candidate_is_0_is_left_out() -> None:
    module = build(Structure.hand(NETWORK), 4, 3)
    searchable.choose(module, NETWORK, {**dict.fromkeys(NETWORK.paths, CANDIDATES), "s1l1": (0,)})
    assert searchable.probabilities(module, NETWORK)["s1l1"] == [1.0]
    assert list(searchable.choices(module, NETWORK)) == ["s1l0", "s2l0", "s2l1"]


def test_each_layer_has_candidates_of_its_own() -> None:
    network = build(Structure.hand(NETWORK), 4, 3)
    candidates = {label: tuple(range(1, 3 + layer)) for layer, label in enumerate(NETWORK.paths)}
    searchable.choose(network, NETWORK, candidates)
    assert [len(learned) for learned in searchable.probabilities(network, NETWORK).values()] == [2, 3, 4, 5]
    for label, path in NETWORK.paths.items():
        conv = network.get_submodule(path)
        assert isinstance(conv, ChoosingConv)
        assert conv.branches == candidates[label]
