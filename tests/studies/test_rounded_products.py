"""Factors of products are rounded as tensor cores do it, and nothing else is."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.made_up_videos import made_up_videos
from nas_space.layers.on_gpu.indexed_offsets import IndexedOffsets
from nas_space.layers.packed_videos import PackedVideos
from nas_space.networks import build, find_network
from nas_space.structure import Structure
from studies.rounded_products import PRODUCTS, RoundedProducts, SoftmaxInFloat32, in_float32, to_tf32
from tests.trials.training.tape import Tape
from trials.data.batches import Batch, pack
from trials.training.settings import TrainingSettings
from trials.training.training import Training

FACTORS = torch.randn(5, 7), torch.randn(7, 3)


def test_tf32_has_ten_bits_of_mantissa() -> None:
    values = torch.tensor([1.0, 1 + 2**-10, 1 + 2**-11, 1 + 2**-12, -1 - 2**-11, 3.0, 0.0, math.inf])
    assert to_tf32(values).tolist() == [1.0, 1 + 2**-10, 1 + 2**-10, 1.0, -1 - 2**-10, 3.0, 0.0, math.inf]


@given(st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False))
def test_tf32_is_near_and_stays(value: float) -> None:
    (rounded,) = to_tf32(torch.tensor([value])).tolist()
    assert abs(rounded - value) <= 2**-11 * abs(value)
    assert to_tf32(torch.tensor([rounded])).tolist() == [rounded]


def test_factors_are_rounded_and_the_sum_is_not() -> None:
    one, other = FACTORS
    with RoundedProducts(to_tf32):
        product, elementwise = one @ other, one * one
    assert torch.equal(product, to_tf32(one) @ to_tf32(other))
    assert not torch.equal(product, one @ other)
    assert torch.equal(elementwise, one * one)


def test_a_product_of_bfloat16_is_rounded_once() -> None:
    one, other = (factor.bfloat16() for factor in FACTORS)
    bias, out = torch.randn(3).bfloat16(), torch.empty(5, 3, dtype=torch.bfloat16)
    expected = (one.float() @ other.float() + bias.float()).bfloat16()
    with RoundedProducts(in_float32):
        assert torch.equal(one @ other, (one.float() @ other.float()).bfloat16())
        torch.testing.assert_close(torch.addmm(bias, one, other), expected, rtol=2**-7, atol=0)
        assert torch.addmm(bias, one, other, out=out) is out
    torch.testing.assert_close(out, expected, rtol=2**-7, atol=0)


def test_gradients_are_products_of_rounded_factors() -> None:
    one, other = (factor.clone().requires_grad_() for factor in FACTORS)
    with RoundedProducts(to_tf32):
        (one @ other).sum().backward()
    assert one.grad is not None
    torch.testing.assert_close(one.grad, torch.ones(5, 3) @ to_tf32(other.detach()).T)


def test_softmax_is_in_float32() -> None:
    values = torch.randn(4, 3).bfloat16()
    with SoftmaxInFloat32():
        assert torch.equal(F.softmax(values, dim=-1), values.float().softmax(-1))


def test_other_products_are_not_left_as_they_are() -> None:
    one, other = FACTORS
    with RoundedProducts(to_tf32), pytest.raises(NotImplementedError, match=r"aten\.dot\.default is not rounded"):
        torch.dot(one[0], one[1])
    with RoundedProducts(to_tf32), pytest.raises(NotImplementedError, match=r"aten\.convolution"):
        F.conv1d(other[None], torch.ones(2, 7, 1))


def test_a_bias_is_not_rounded() -> None:
    bias = torch.full((3,), 1 + 2**-20)
    with RoundedProducts(to_tf32):
        assert torch.equal(torch.addmm(bias, torch.zeros(5, 7), torch.zeros(7, 3)), bias.expand(5, 3))


def test_all_products_of_a_training_are_known() -> None:
    network = build(Structure.hand(find_network("ms-tcn:stages=2,layers=3")), 6, 4)
    training = Training(network, TrainingSettings(), torch.device("cpu"))
    (video,) = made_up_videos([20], 6, 4)
    offsets = IndexedOffsets.on(torch.device("cpu"), (0, 20))
    batch = Batch(PackedVideos(pack([video.features]), offsets), pack([video.labels]))
    with Tape() as tape:
        training.step(batch)
    names = ("mm", "mv", "dot", "conv", "linear", "matmul")
    seen = {operator.overloadpacket for operator, *_ in tape.calls if any(name in str(operator) for name in names)}
    assert seen
    assert seen <= set(PRODUCTS)
