"""Operators are counted by hand, in the backward pass, too; each kind that waits for a GPU is seen once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.operators import OperatorCounts, count_operators, synchronising_calls

CPU, META = "cpu", "meta"


def on(device: str) -> Tensor:
    """Five numbers."""
    return torch.arange(5.0, device=device)


@pytest.mark.parametrize("device", [CPU, META])
def test_views_do_not_compute(device: str) -> None:
    numbers = on(device)
    assert count_operators(lambda: numbers.view(5, 1).t()[0, 1:].unsqueeze(0).expand(3, 4).detach()) == (7, 0)
    assert count_operators(lambda: numbers.relu().add_(1)) == OperatorCounts(views=0, others=2)


@pytest.mark.parametrize("device", [CPU, META])
def test_the_backward_pass_counts(device: str) -> None:
    weight = on(device).requires_grad_()
    # Forward: mul, sum. Backward: ones_like and expand for the sum, mul for the product, detach to keep the gradient.
    assert count_operators(lambda: (weight * 2).sum().backward()) == OperatorCounts(views=2, others=4)


def test_what_was_before_and_after_does_not_count() -> None:
    on(CPU).relu()
    assert count_operators(lambda: None) == (0, 0)
    on(CPU).relu()
    assert synchronising_calls(lambda: None) == []


ANYWHERE: dict[str, tuple[Callable[[Tensor], object], str]] = {
    "item": (lambda x: x[0].item(), "_local_scalar_dense.default: reads a value"),
    "float": (lambda x: float(x[0]), "_local_scalar_dense.default: reads a value"),
    "if": (lambda x: 1 if x[1] else 0, "_local_scalar_dense.default: reads a value"),
    "index of a tuple": (lambda x: (1, 2)[x[1].int()], "_local_scalar_dense.default: reads a value"),
    "equal": (lambda x: torch.equal(x, x), "equal.default: reads a value"),
    "nonzero": (lambda x: x.nonzero(), "nonzero.default: a shape that depends on values"),
    "where": (lambda x: torch.where(x > 1), "nonzero.default: a shape that depends on values"),
    "masked_select": (lambda x: x.masked_select(x > 1), "masked_select.default: a shape that depends on values"),
    "unique": (lambda x: x.unique(), "_unique2.default: a shape that depends on values"),
    "repeat_interleave": (
        lambda x: x.repeat_interleave(x.long()),
        "repeat_interleave.Tensor: a shape that depends on values",
    ),
    "mask": (lambda x: x[x > 1], "index.Tensor: a mask as index"),
    "assigned mask": (lambda x: x.__setitem__(x > 1, x[:3] + 1), "index_put_.default: a mask as index"),
}


@pytest.mark.parametrize("device", [CPU, META])
@pytest.mark.parametrize("kind", ANYWHERE)
def test_what_needs_a_value_or_a_shape_waits(kind: str, device: str) -> None:
    function, expected = ANYWHERE[kind]
    assert synchronising_calls(lambda: function(on(device))) == [f"aten.{expected}"]


COPIED: dict[str, tuple[Callable[[Tensor], object], str]] = {
    "to the device": (lambda x: on(CPU).to(x.device), "_to_copy.default: a copy from cpu to meta"),
    "cpu": (lambda x: x.cpu(), "_to_copy.default: a copy from meta to cpu"),
    "tolist": (lambda x: x.tolist(), "_to_copy.default: a copy from meta to cpu"),
    "copy_": (lambda x: x.copy_(on(CPU)), "copy_.default: a copy from cpu to meta"),
    "copy_ back": (lambda x: on(CPU).copy_(x), "copy_.default: a copy from meta to cpu"),
    "indices": (lambda x: x[torch.arange(2)], "index.Tensor: indices on cpu"),
    "assigned indices": (lambda x: x.index_put_((torch.arange(2),), x[:2]), "index_put_.default: indices on cpu"),
}


@pytest.mark.parametrize("kind", COPIED)
def test_copies_between_devices_wait(kind: str) -> None:
    function, expected = COPIED[kind]
    assert synchronising_calls(lambda: function(on(META))) == [f"aten.{expected}"]


MADE: dict[str, Callable[[Tensor], object]] = {
    "tensor": lambda _: torch.tensor([1, 2]),
    "new_tensor": lambda x: x.new_tensor([1, 2]),
    "from_numpy": lambda _: torch.from_numpy(np.ones(2)),
    "list": lambda x: x[[0, 1]],
}


@pytest.mark.parametrize("kind", MADE)
def test_tensors_of_python_numbers_would_be_copied(kind: str) -> None:
    expected = "aten.lift_fresh.default: a tensor of Python numbers or of NumPy's"
    assert synchronising_calls(lambda: MADE[kind](on(CPU))) == [expected]


@pytest.mark.parametrize("device", [CPU, META])
def test_what_a_gpu_does_alone_does_not_wait(device: str) -> None:
    def work() -> None:
        x = on(device).requires_grad_()
        y = x[torch.arange(2, device=device)] * 2 + x.new_zeros(2)
        y = torch.where(y > 1, y, 0).masked_fill(y > 3, 1).index_add(0, torch.arange(2, device=device), y)
        y.repeat_interleave(torch.ones(2, dtype=torch.long, device=device), output_size=2).sum().backward()
        on(CPU).to(device, non_blocking=True)
        on(device).copy_(on(CPU), non_blocking=True)

    assert synchronising_calls(work) == []


def test_an_error_of_the_function_stays_one() -> None:
    with pytest.raises(RuntimeError, match="size"):
        synchronising_calls(lambda: on(CPU).masked_select(torch.ones(3, dtype=torch.bool)))
