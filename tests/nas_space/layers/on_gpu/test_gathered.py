"""Layers in one step of autograd, in the gathered form, against the other forms and the definition."""

from __future__ import annotations

from itertools import accumulate

import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from nas_space.layers.convolutions import BranchedConv, ChoosingConv
from nas_space.layers.on_gpu.indexed_offsets import IndexedOffsets
from nas_space.layers.residual import DilatedResidualLayer, residual_layers
from tests.nas_space.layers.test_residual import CHANNELS, CPU, LENGTHS, convolutions

Layer = tuple[str, list[int]]
"""What its convolution is, and the dilations."""
DILATIONS = st.lists(st.integers(1, 20), min_size=2, max_size=4)
CANDIDATES = st.lists(st.integers(0, 20), min_size=2, max_size=4, unique=True)
LAYERS: st.SearchStrategy[list[Layer]] = st.lists(
    st.tuples(st.just("plain"), st.lists(st.integers(0, 20), min_size=1, max_size=1))
    | st.tuples(st.just("branches"), DILATIONS)
    | st.tuples(st.sampled_from(["choice", "gated choice"]), CANDIDATES),
    min_size=1,
    max_size=6,
)


def layer_of(kind: str, dilations: list[int], kernel_size: int, causal: bool) -> DilatedResidualLayer:
    """A layer of double precision whose branches, if it has any, are of random weights."""
    layer = DilatedResidualLayer(CHANNELS, kernel_size, max(dilations), 0.0, causal)
    if kind == "plain":
        return layer.double()
    conv, _ = convolutions(layer)
    branched = conv.branched(dilations) if kind == "branches" else conv.choosing(dilations)
    assert isinstance(branched, BranchedConv)
    if isinstance(branched, ChoosingConv) and kind == "gated choice":
        branched.gate()
    if isinstance(branched, ChoosingConv) and kind == "cold choice":
        branched.temperature = 0.5
    nn.init.normal_(branched.branch_weights)
    layer.conv_dilated = branched
    return layer.double()


@settings(max_examples=60)
@given(described=LAYERS, kernel_size=st.sampled_from([3, 5]), causal=st.booleans(), lengths=LENGTHS)
@example([("branches", [1, 2]), ("branches", [3, 4])], 3, False, [9])
@example([("choice", [0, 2]), ("choice", [0, 3]), ("choice", [1, 3])], 3, False, [9])
@example([("gated choice", [4, 0, 2]), ("gated choice", [1, 0, 3]), ("plain", [0]), ("plain", [2])], 3, True, [9, 1])
def test_layers_in_one_step_are_the_same_in_all_forms(
    described: list[Layer], kernel_size: int, causal: bool, lengths: list[int]
) -> None:
    torch.manual_seed(0)
    assert_the_same_in_all_forms([layer_of(*each, kernel_size, causal) for each in described], lengths)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # Both kernels have two taps before that of the present frame.
        pytest.param(("plain", [2], 5, False), ("plain", [2], 3, True), id="kernel size"),
        pytest.param(("plain", [2], 3, False), ("plain", [2], 3, True), id="causal"),
        pytest.param(("branches", [1, 2], 5, False), ("branches", [1, 2], 3, True), id="kernel size, branches"),
        pytest.param(("branches", [1, 2], 3, False), ("branches", [1, 2], 3, True), id="causal, branches"),
        pytest.param(("branches", [1, 2], 3, False), ("choice", [1, 2], 3, False), id="probabilities"),
        pytest.param(("choice", [1, 2], 3, False), ("cold choice", [1, 2], 3, False), id="temperature"),
        pytest.param(("choice", [1, 0, 2], 3, False), ("gated choice", [1, 0, 2], 3, False), id="gate"),
        pytest.param(("choice", [0, 1, 2], 3, False), ("choice", [1, 0, 2], 3, False), id="place of leaving out"),
    ],
)
def test_layers_that_differ_in_one_thing_are_not_computed_alike(
    one: tuple[str, list[int], int, bool], other: tuple[str, list[int], int, bool]
) -> None:
    torch.manual_seed(0)
    assert_the_same_in_all_forms([layer_of(*one), layer_of(*other)], [9, 4])


def assert_the_same_in_all_forms(layers: list[DilatedResidualLayer], lengths: list[int]) -> None:
    """Outputs and gradients."""
    frames = torch.randn(sum(lengths), CHANNELS, dtype=torch.float64, requires_grad=True)
    offsets = (0, *accumulate(lengths))
    variables = [frames, *(parameter for layer in layers for parameter in layer.parameters())]
    slope = torch.randn_like(frames)

    def with_gradients(output: Tensor) -> list[Tensor]:
        return [output, *torch.autograd.grad((output * slope).sum(), variables)]

    one_by_one = frames
    for layer in layers:
        one_by_one = layer.composed(one_by_one, offsets)
    padded, packed = with_gradients(one_by_one), with_gradients(residual_layers(layers, frames, offsets))
    gathered = with_gradients(residual_layers(layers, frames, IndexedOffsets.on(CPU, offsets)))
    torch.testing.assert_close(packed, padded, rtol=0, atol=1e-10)
    torch.testing.assert_close(gathered, padded, rtol=0, atol=1e-10)
    # The layout of the parameter: the engine keeps such a gradient, and copies any other.
    assert [each.stride() for each in gathered[1:]] == [each.stride() for each in variables]


@pytest.mark.parametrize("kind", ["plain", "branches", "choice"])
def test_layers_in_one_step_drop_what_their_mask_says(kind: str) -> None:
    """Against the definition: x + mask * kept * (W2 relu(conv(x)) + b2)."""
    torch.manual_seed(0)
    layers = [layer_of(kind, [d] if kind == "plain" else [d, 0 if kind == "choice" else 1], 3, False) for d in (2, 3)]
    for layer in layers:
        layer.dropout.p = 0.5
    frames, offsets = torch.randn(9, CHANNELS, dtype=torch.float64, requires_grad=True), IndexedOffsets.on(CPU, [0, 9])
    variables = [frames, *(parameter for layer in layers for parameter in layer.parameters())]
    torch.manual_seed(1)
    found = residual_layers(layers, frames, offsets)
    torch.manual_seed(1)
    masks = torch.empty(2, 9, CHANNELS, dtype=torch.float64).bernoulli_(0.5) * 2
    assert masks.unique().tolist() == [0, 2]
    expected = frames
    for layer, mask in zip(layers, masks, strict=True):
        conv, pointwise = convolutions(layer)
        kept = conv.kept() if isinstance(conv, BranchedConv) else None
        change = pointwise(F.relu(conv(expected, offsets)))
        expected = expected + mask * (change if kept is None else kept * change)
    slope = torch.randn_like(frames)
    gradients = [torch.autograd.grad((output * slope).sum(), variables) for output in (found, expected)]
    torch.testing.assert_close([found, *gradients[0]], [expected, *gradients[1]], rtol=0, atol=1e-10)
