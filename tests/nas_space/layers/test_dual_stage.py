"""The dual dilated layers in their fast forms against the padded one, which is plain PyTorch."""

from __future__ import annotations

from itertools import accumulate

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nas_space.layers import dual_stage
from nas_space.layers.convolutions import BranchedConv, DilatedConv
from nas_space.layers.dual_stage import convolve
from nas_space.layers.on_gpu.indexed_offsets import IndexedOffsets


def convolution(dilations: tuple[int, ...], kernel_size: int, causal: bool, activate: bool = False) -> DilatedConv:
    """Of double precision, with branches where there is more than one dilation."""
    torch.manual_seed(0)
    conv = DilatedConv(3, 4, kernel_size, dilations[0], causal)
    if len(dilations) > 1:
        conv = BranchedConv.expand(conv, dilations, activate)
        with torch.no_grad():
            conv.branch_weights.copy_(torch.randn(len(dilations)))
    return conv.double()


def outputs_and_gradients(conv: DilatedConv, output: Tensor, frames: Tensor) -> tuple[Tensor, ...]:
    slope = torch.randn(output.shape, dtype=output.dtype, generator=torch.Generator().manual_seed(1))
    return output, *torch.autograd.grad((output * slope).sum(), [frames, *conv.parameters()])


@settings(max_examples=60)
@given(
    dilations=st.lists(st.integers(1, 20), min_size=1, max_size=5, unique=True).map(tuple),
    kernel_size=st.sampled_from([3, 5]),
    causal=st.booleans(),
    activate=st.booleans(),
    lengths=st.lists(st.integers(1, 15), min_size=1, max_size=4),
)
def test_all_forms_are_the_same(
    dilations: tuple[int, ...], kernel_size: int, causal: bool, activate: bool, lengths: list[int]
) -> None:
    conv = convolution(dilations, kernel_size, causal, activate)
    offsets = [0, *accumulate(lengths)]
    frames = torch.randn(sum(lengths), 3, dtype=torch.float64, requires_grad=True)
    packed = outputs_and_gradients(conv, convolve(conv, frames, offsets), frames)
    padded = outputs_and_gradients(conv, conv(frames, offsets), frames)
    indexed = IndexedOffsets.on(torch.device("cpu"), offsets)
    gathered = outputs_and_gradients(conv, convolve(conv, frames, indexed), frames)
    torch.testing.assert_close(packed, padded, rtol=0, atol=1e-10)
    torch.testing.assert_close(gathered, padded, rtol=0, atol=1e-10)
    if not isinstance(conv, BranchedConv) or not conv.inner_activation:
        # The layout of the parameter: the engine keeps such a gradient, and copies any other.
        assert [each.stride() for each in gathered[2:]] == [each.stride() for each in conv.parameters()]


@pytest.mark.parametrize("dilations", [(2,), (1, 2, 3)])
def test_second_derivatives_are_refused_packed(dilations: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    conv = convolution(dilations, 3, causal=False)
    frames = torch.randn(9, 3, dtype=torch.float64, requires_grad=True)

    def second() -> None:
        (slope,) = torch.autograd.grad(convolve(conv, frames, [0, 9]).square().sum(), frames, create_graph=True)
        slope.square().sum().backward()

    with pytest.raises(RuntimeError, match="once_differentiable"):
        second()
    monkeypatch.setattr(dual_stage, "is_packed", lambda *_: False)
    second()
