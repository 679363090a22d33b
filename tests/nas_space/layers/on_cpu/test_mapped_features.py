from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from nas_space.layers.on_cpu import mapped_features
from nas_space.layers.on_cpu.mapped_features import MappedLinear


@pytest.mark.parametrize("part", [1, 15, 16, 2**21])  # one frame at once, 3, 3 and a bit, all 8
def test_it_is_a_linear_layer(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped_features, "PART", part)
    torch.manual_seed(0)
    features = torch.randn(8, 5, dtype=torch.float64)
    weight, bias = torch.randn(3, 5, dtype=torch.float64), torch.randn(3, dtype=torch.float64)
    gradient = torch.randn(8, 3, dtype=torch.float64)

    def run(linear: Callable[..., torch.Tensor], *more: object) -> list[torch.Tensor]:
        parameters = [value.clone().requires_grad_() for value in (weight, bias)]
        result = linear(features, *parameters, *more)
        return [result.detach(), *torch.autograd.grad(result, parameters, gradient)]

    for ours, theirs in zip(run(MappedLinear.apply, lambda: None), run(F.linear), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_features_are_let_go_after_each_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped_features, "PART", 10)  # two of five frames
    calls: list[str] = []
    weight = torch.zeros(3, 5, requires_grad=True)
    result = MappedLinear.apply(torch.zeros(5, 5), weight, torch.zeros(3), lambda: calls.append("forward"))
    assert calls == ["forward"] * 3
    result.sum().backward()
    assert len(calls) == 6
