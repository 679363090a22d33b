"""The residual layer in its forms, against the definition written out video by video."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import accumulate, pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nas_space.layers import residual
from nas_space.layers.convolutions import BranchedConv, DilatedConv, PointwiseConv
from nas_space.layers.on_cpu import packed_residual
from nas_space.layers.on_cpu.packed_conv import shifted_rows
from nas_space.layers.on_cpu.packed_residual import allocate_like, sample_dropout_mask
from nas_space.layers.on_gpu.indexed_offsets import IndexedOffsets
from nas_space.layers.residual import DilatedResidualLayer, packed_layers, residual_layers

CHANNELS = 4
Form = Callable[[DilatedResidualLayer, Tensor, list[int]], Tensor]
CPU = torch.device("cpu")
FORMS: dict[str, Form] = {
    "packed": DilatedResidualLayer.__call__,
    "padded": DilatedResidualLayer.composed,
    "gathered": lambda layer, frames, offsets: layer(frames, IndexedOffsets.on(CPU, offsets)),
    "gathered, in one step": lambda layer, frames, offsets: residual_layers(
        [layer], frames, IndexedOffsets.on(CPU, offsets)
    ),
}
"""On a CPU, calling a layer takes its packed form, unless there is a ReLU within each branch."""
LENGTHS = st.lists(st.integers(1, 15), min_size=1, max_size=4)


def residual_layer(
    dilations: tuple[int, ...], kernel_size: int = 3, activate: bool = False, dropout: float = 0.0
) -> DilatedResidualLayer:
    """A layer of double precision, with branches where there is more than one dilation."""
    torch.manual_seed(0)
    layer = DilatedResidualLayer(CHANNELS, kernel_size, dilations[0], dropout)
    if len(dilations) > 1:
        conv, _ = convolutions(layer)
        layer.conv_dilated = branched = BranchedConv.expand(conv, dilations, activate)
        with torch.no_grad():
            branched.branch_weights.copy_(torch.randn(len(dilations)))
    return layer.double()


def convolutions(layer: DilatedResidualLayer) -> tuple[DilatedConv, PointwiseConv]:
    both = layer.convolutions()
    assert both is not None
    return both


def by_definition(layer: DilatedResidualLayer, video: Tensor, dilations: tuple[int, ...], activate: bool) -> Tensor:
    """One video ``(frames, channels)`` alone, with nothing but F.conv1d."""
    conv, pointwise = convolutions(layer)
    total = torch.zeros_like(video.t()[None])
    shares = torch.ones(1, dtype=video.dtype)
    if isinstance(conv, BranchedConv):
        shares = conv.branch_weights.abs() / conv.branch_weights.abs().sum()
    for share, dilation in zip(shares, dilations, strict=True):
        padding = dilation * (conv.kernel_size[0] // 2)
        branch = F.conv1d(video.t()[None], conv.weight, conv.bias, padding=padding, dilation=dilation)
        total = total + share * (branch.relu() if activate else branch)
    change = F.conv1d(total.relu(), pointwise.weight, pointwise.bias)
    return video + change[0].t()


@settings(max_examples=40)
@given(
    form=st.sampled_from(sorted(FORMS)),
    dilations=st.lists(st.integers(1, 20), min_size=1, max_size=11, unique=True).map(tuple),
    kernel_size=st.sampled_from([3, 5, 7]),
    activate=st.booleans(),
    lengths=LENGTHS,
)
def test_output_and_gradients_equal_the_definition(
    form: str, dilations: tuple[int, ...], kernel_size: int, activate: bool, lengths: list[int]
) -> None:
    activate = activate and len(dilations) > 1
    layer = residual_layer(dilations, kernel_size, activate)
    frames = torch.randn(sum(lengths), CHANNELS, dtype=torch.float64, requires_grad=True)
    offsets = [0, *accumulate(lengths)]
    result = FORMS[form](layer, frames, offsets)
    expected = torch.cat(
        [by_definition(layer, frames[start:end], dilations, activate) for start, end in pairwise(offsets)]
    )
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-10)
    slope = torch.randn_like(expected)
    variables = [frames, *layer.parameters()]
    ours, theirs = (torch.autograd.grad((output * slope).sum(), variables) for output in (result, expected))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("dropout", [0.5, 0.2])
@pytest.mark.parametrize("dilations", [(2,), (1, 2, 3)])
def test_dropout_keeps_some_of_the_change_and_scales_it(dropout: float, dilations: tuple[int, ...], form: Form) -> None:
    layer = residual_layer(dilations, dropout=dropout)
    frames = torch.randn(300, CHANNELS, dtype=torch.float64, requires_grad=True)
    layer.eval()
    change = form(layer, frames, [0, 300]) - frames
    layer.train()
    dropped = form(layer, frames, [0, 300]) - frames
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], change[kept] / (1 - dropout))
    assert kept.double().mean().item() == pytest.approx(1 - dropout, abs=0.06)  # 4 deviations of 1,200 elements
    # The same elements are kept on the way back.
    slope = torch.randn_like(frames)
    (ours,) = torch.autograd.grad((dropped * slope).sum(), frames, retain_graph=True)
    expected = change * kept / (1 - dropout)
    (theirs,) = torch.autograd.grad((expected * slope).sum(), frames)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize("dropout", [0.5, 0.2])
def test_layers_in_one_step_drop_elements_of_their_own(dropout: float) -> None:
    dilations = (1, 7, 2)
    layers = [residual_layer((dilation,), dropout=dropout) for dilation in dilations]
    frames = torch.randn(20, CHANNELS, dtype=torch.float64, requires_grad=True)
    torch.manual_seed(1)
    result = residual_layers(layers, frames, [0, 20])
    torch.manual_seed(1)
    expected = frames
    for layer, dilation, factors in zip(
        layers, dilations, sample_dropout_mask(frames.expand(3, 20, -1), dropout), strict=True
    ):
        change = by_definition(layer, expected, (dilation,), activate=False) - expected
        expected = expected + factors * change
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-10)
    slope = torch.randn_like(expected)
    variables = [frames, *(parameter for layer in layers for parameter in layer.parameters())]
    ours, theirs = (torch.autograd.grad((output * slope).sum(), variables) for output in (result, expected))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_dropout_of_everything_leaves_the_input(form: Form) -> None:
    frames = torch.randn(9, CHANNELS, dtype=torch.float64)
    assert torch.equal(form(residual_layer((2,), dropout=1.0), frames, [0, 9]), frames)


def test_dropped_bits_are_fair_and_independent_of_their_place() -> None:
    torch.manual_seed(0)
    factors = sample_dropout_mask(torch.empty(100_000, 64), 0.5).double()
    assert set(factors.unique().tolist()) == {0.0, 2.0}
    keep = factors / 2
    # Of 6.4 million bits in all 0.5 +- 0.0008, of 100,000 of each channel 0.5 +- 0.0064 (four standard deviations).
    assert keep.mean().item() == pytest.approx(0.5, abs=0.0008)
    assert (keep.mean(dim=0) - 0.5).abs().max().item() < 0.0064
    between = torch.corrcoef(keep.t()) - torch.eye(64, dtype=torch.float64)
    assert between.abs().max().item() < 0.02


def test_the_dropped_bits_are_those_of_the_generators_words() -> None:
    torch.manual_seed(0)
    (word,) = torch.empty(1, dtype=torch.int64).random_(-(2**63), None).tolist()
    factors = [2 * int(bit) for octet in word.to_bytes(8, "little", signed=True) for bit in f"{octet:08b}"]
    torch.manual_seed(0)
    assert sample_dropout_mask(torch.empty(3, 5), 0.5).flatten().tolist() == factors[:15]


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        (0, [(range(0, 4), range(0, 4)), (range(4, 5), range(4, 5)), (range(5, 8), range(5, 8))]),
        (2, [(range(0, 2), range(2, 4)), (range(5, 6), range(7, 8))]),
        (-2, [(range(2, 4), range(0, 2)), (range(7, 8), range(5, 6))]),
        (4, []),
    ],
)
def test_shifted_rows_by_hand(shift: int, expected: list[tuple[range, range]]) -> None:
    found = [tuple(range(*part.indices(8)) for part in pair) for pair in shifted_rows([0, 4, 5, 8], shift)]
    assert found == expected


@pytest.mark.parametrize("frames", [1, 30, 5000])
def test_without_gradients_the_numbers_are_the_same(frames: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In two buffers for all layers, of PyTorch's memory or, if they are large, of our own."""
    torch.manual_seed(0)
    layers = [DilatedResidualLayer(64, 3, dilation, 0.5).eval() for dilation in (1, 7, 2)]
    values, offsets = torch.randn(frames, 64), (0, frames // 3, frames)
    before = values.clone()
    with torch.no_grad():
        result = residual_layers(layers, values, offsets)
    assert torch.equal(values, before)
    assert torch.equal(result, residual_layers(layers, values, offsets))
    monkeypatch.setattr(residual, "infer_residuals", lambda *_: pytest.fail("not without gradients only"))
    residual_layers(layers, values, offsets)


@pytest.mark.parametrize("dilations", [(2,), (1, 2, 3)])
def test_second_derivatives_work_padded_and_are_refused_in_other_forms(dilations: tuple[int, ...]) -> None:
    frames = torch.randn(9, CHANNELS, dtype=torch.float64, requires_grad=True)

    def second(form: Form) -> Tensor:
        result = form(residual_layer(dilations), frames, [0, 9])
        (slope,) = torch.autograd.grad(result.square().sum(), frames, create_graph=True)
        slope.square().sum().backward()
        assert frames.grad is not None
        return frames.grad

    assert second(FORMS["padded"]).isfinite().all()
    for name in FORMS.keys() - {"padded"}:
        with pytest.raises(RuntimeError, match="once_differentiable"):
            second(FORMS[name])


@pytest.mark.parametrize("dilations", [(2,), (1, 2, 3)])
def test_a_deep_copy_computes_the_same_and_learns_on_its_own(dilations: tuple[int, ...]) -> None:
    layer = residual_layer(dilations)
    copied = copy.deepcopy(layer)
    frames = torch.randn(9, CHANNELS, dtype=torch.float64)
    assert torch.equal(layer(frames, [0, 9]), copied(frames, [0, 9]))
    copied(frames, [0, 9]).sum().backward()
    assert all(parameter.grad is None for parameter in layer.parameters())
    assert all(parameter.grad is not None for parameter in copied.parameters())


def test_the_packed_form_is_chosen_on_a_cpu() -> None:
    layer = residual_layer((2,), dropout=0.5)
    frames = torch.randn(9, CHANNELS, dtype=torch.float64)
    torch.manual_seed(1)
    chosen = layer(frames, [0, 9])
    torch.manual_seed(1)
    assert torch.equal(chosen, packed_layers([convolutions(layer)], layer.dropout, frames, [0, 9]))
    torch.manual_seed(1)
    assert not torch.equal(chosen, layer.composed(frames, [0, 9]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_place_is_aligned_and_of_the_same_kind(dtype: torch.dtype) -> None:
    values = torch.empty(5000, 64, dtype=dtype)
    place = allocate_like(values)
    assert place is not None
    assert (place.shape, place.dtype, place.data_ptr() % 64) == (values.shape, dtype, 0)
    assert allocate_like(values[:10]) is None


@pytest.mark.parametrize("dilations", [(2,), (1, 2, 3)])
def test_a_place_of_its_own_changes_no_number(dilations: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    layer = residual_layer(dilations, dropout=0.5)
    frames = torch.randn(50, CHANNELS, dtype=torch.float64, requires_grad=True)

    def result() -> tuple[Tensor, ...]:
        torch.manual_seed(3)
        output = layer(frames, [0, 20, 50])
        return output, *torch.autograd.grad(output.square().sum(), [frames, *layer.parameters()])

    expected = result()
    monkeypatch.setattr(packed_residual, "LARGE", 0)
    assert all(map(torch.equal, result(), expected))
