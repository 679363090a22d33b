"""Our Adam is PyTorch's, number for number."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trials.training.adam import Adam

RATES = (1e-2, 1e-3, 1e-3, 1e-4)


def parameters(seed: int = 0) -> dict[str, nn.Parameter]:
    """A matrix whose columns lie one after another in memory, as the taps of a convolution do, and a vector."""
    torch.manual_seed(seed)
    return {"matrix": nn.Parameter(torch.randn(5, 3).t()), "vector": nn.Parameter(torch.randn(4))}


def set_gradients(values: dict[str, nn.Parameter], step: int) -> None:
    torch.manual_seed(100 + step)
    for value in values.values():
        value.grad = torch.randn(value.shape)


def test_steps_are_those_of_pytorch() -> None:
    ours, theirs = parameters(), parameters()
    adam, expected = Adam(ours.items()), torch.optim.Adam(theirs.values(), fused=True)
    for step, rate in enumerate(RATES):
        set_gradients(ours, step)
        set_gradients(theirs, step)
        adam.step(rate)
        expected.param_groups[0]["lr"] = rate
        expected.step()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_parameter_without_gradient_stays_and_does_not_count_the_step() -> None:
    values = parameters()
    before = values["vector"].detach().clone()
    adam = Adam(values.items())
    set_gradients(values, 0)
    values["vector"].grad = None
    adam.step(0.1)
    assert torch.equal(values["vector"], before)
    assert {name: int(moments["steps"]) for name, moments in adam.moments.items()} == {"matrix": 1, "vector": 0}


def test_zero_grad_forgets_the_gradients() -> None:
    values = parameters()
    set_gradients(values, 0)
    Adam(values.items()).zero_grad()
    assert all(value.grad is None for value in values.values())


def test_it_goes_on_from_moments_whatever_their_order_in_memory() -> None:
    whole, first = parameters(), parameters()
    adam, begun = Adam(whole.items()), Adam(first.items())
    for step, rate in enumerate(RATES[:2]):
        for values, optimiser in ((whole, adam), (first, begun)):
            set_gradients(values, step)
            optimiser.step(rate)
    saved = {
        name: {kind: value.clone(memory_format=torch.contiguous_format) for kind, value in moments.items()}
        for name, moments in begun.moments.items()
    }
    resumed = Adam(first.items())
    resumed.load(saved)
    for step, rate in enumerate(RATES[2:], start=2):
        for values, optimiser in ((whole, adam), (first, resumed)):
            set_gradients(values, step)
            optimiser.step(rate)
    assert all(torch.equal(whole[name], first[name]) for name in whole)


def test_moments_of_other_parameters_are_refused() -> None:
    adam = Adam(parameters().items())
    with pytest.raises(ValueError, match="moments of other parameters"):
        adam.load({"matrix": adam.moments["matrix"]})
    with pytest.raises(ValueError, match="moments of vector of another shape"):
        adam.load({"matrix": adam.moments["matrix"], "vector": adam.moments["matrix"]})


def test_some_parameters_may_have_a_rate_of_their_own() -> None:
    ours, theirs = parameters(), parameters()
    adam = Adam(ours.items())
    groups = [{"params": [theirs["matrix"]], "lr": 1e-2}, {"params": [theirs["vector"]], "lr": 0.5}]
    expected = torch.optim.Adam(groups, fused=True)
    for step in range(3):
        set_gradients(ours, step)
        set_gradients(theirs, step)
        adam.step(1e-2, {"vector": 0.5})
        expected.step()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
