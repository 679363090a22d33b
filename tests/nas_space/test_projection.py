from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from nas_space.budget import Budget
from nas_space.network import Network
from nas_space.networks import build, find_network
from nas_space.projection import project
from nas_space.searchable import choices, choose, decide_leaving_out_first, set_temperature
from nas_space.structure import Structure
from tests.nas_space.generators import networks

ONE_LAYER = find_network("ms-tcn:stages=1,layers=1,channels=4")


def choosing(
    network: Network, candidates: tuple[int, ...], logits: Tensor | None = None, temperature: float = 1.0
) -> nn.Module:
    """A network whose layers choose, with these logits ``(layers, candidates)``; None: equal ones."""
    module = build(Structure.hand(network), 3, 2)
    choose(module, network, dict.fromkeys(network.paths, candidates))
    set_temperature(module, temperature)
    if logits is not None:
        for conv, of_layer in zip(choices(module, network).values(), logits, strict=True):
            conv.set_logits(of_layer)
    return module


def probabilities(module: nn.Module, network: Network) -> Tensor:
    """``(layers, candidates)``"""
    return torch.stack([conv.probabilities().detach().double() for conv in choices(module, network).values()])


def logits_of(module: nn.Module, network: Network) -> Tensor:
    """``(layers, candidates)``; of probabilities that are too small for a number, too."""
    return torch.stack([conv.logits().detach() for conv in choices(module, network).values()])


def excess(module: nn.Module, network: Network, budget: Budget, candidates: tuple[int, ...]) -> list[float]:
    learned, branches = probabilities(module, network), torch.tensor(candidates).double()
    return budget.excess(network, (learned @ branches).tolist(), (learned @ (branches > 0).double()).tolist())


@pytest.mark.parametrize("temperature", [1.0, 0.1])
def test_projected_by_hand(temperature: float) -> None:
    # An expected dilation of 1.5 sees 4 frames, fewer than 7: nothing changes.
    module = choosing(ONE_LAYER, (1, 2), temperature=temperature)
    project(module, ONE_LAYER, Budget(network=7))
    assert probabilities(module, ONE_LAYER).tolist() == [[0.5, 0.5]]
    module = choosing(ONE_LAYER, (1, 2, 5), temperature=temperature)  # expected: 8 / 3, so 1 + 16 / 3 frames
    project(module, ONE_LAYER, Budget(network=5))  # an expected dilation of 2: 1 + y + 4 y^4 over 1 + y + y^4 ...
    first, second, third = probabilities(module, ONE_LAYER)[0].tolist()
    assert first + 2 * second + 5 * third == pytest.approx(2, abs=0.02)
    assert math.log(first / third) == pytest.approx(4 * math.log(first / second), rel=1e-4)  # ... = 2


def test_at_first_nothing_changes_and_then_limits_fall_evenly_on_a_logarithmic_scale() -> None:
    # Equally probable, 0 and 50 make 51 frames in place of 11; on the way, (1 + 40 / 11) ^ (1 - progress) times 11.
    for progress in (0.0, 0.5, 0.75, 1.0):
        module = choosing(ONE_LAYER, (0, 50))
        project(module, ONE_LAYER, Budget(network=11), progress)
        expected = 1 + 100 * float(probabilities(module, ONE_LAYER)[0, 1])
        assert expected == pytest.approx(11 * (51 / 11) ** (1 - progress), rel=0.02)


@settings(deadline=None, max_examples=20)
@given(networks(channels=2), st.integers(0, 99), st.floats(0.02, 1), st.data())
def test_all_limits_are_kept_by_one_tilt_of_all_layers(
    network: Network, seed: int, temperature: float, data: st.DataObject
) -> None:
    candidates = (1, 2, 4, 64)
    logits = 3 * torch.randn(len(network.layers), len(candidates), generator=torch.Generator().manual_seed(seed))
    least, most = (1 + 2 * d * len(network.layers) for d in (1, 64))
    budget = Budget(network=data.draw(st.integers(3 * least, 3 * most)))
    module = choosing(network, candidates, logits, temperature)
    before = logits_of(module, network)
    over = excess(module, network, budget, candidates)[0]
    project(module, network, budget)
    after = logits_of(module, network)
    assert torch.equal(after, before) or over > -1e-6
    if over < 0.01:
        return
    assert excess(module, network, budget, candidates)[0] == pytest.approx(0, abs=0.05)
    tilts = (after - before).diff(dim=1) / torch.tensor(candidates).double().diff()
    weights = [cost for cost, _ in budget.costs(network)[0].values()]
    for tilt, cost in zip(tilts, weights, strict=True):
        assert (tilt / cost).tolist() == pytest.approx([float(tilts[0][0]) / weights[0]] * 3, rel=1e-2, abs=1e-4)


@settings(deadline=None, max_examples=20)
@given(networks(channels=2), st.integers(0, 99), st.integers(0, 40), st.integers(0, 100), st.booleans())
def test_several_limits_are_kept_together(network: Network, seed: int, side: int, share: int, gated: bool) -> None:
    candidates = (0, 1, 2, 4, 8)
    logits = 3 * torch.randn(len(network.layers), len(candidates), generator=torch.Generator().manual_seed(seed))
    cost = Budget.parse(None, f"{share}%", network).multiply_adds
    budget = Budget(network=50, stage=20, past=side, future=side + 1, multiply_adds=cost)
    module = choosing(network, candidates, logits)
    if gated:
        decide_leaving_out_first(module, network)
    project(module, network, budget)
    assert max(excess(module, network, budget, candidates)) <= 1e-6


def test_a_limit_that_only_the_smallest_keep_leaves_only_these() -> None:
    network = find_network("ms-tcn:stages=2,layers=2,channels=4")
    module = choosing(network, (1, 2, 4), temperature=0.02)
    project(module, network, Budget(network=9))
    assert probabilities(module, network)[:, 0].tolist() == pytest.approx([1.0] * 4)


def test_a_budget_without_layers_leaves_nothing_to_change() -> None:
    project(choosing(ONE_LAYER, (0,)), ONE_LAYER, Budget(network=1))


def test_probabilities_that_are_no_numbers_stay_so() -> None:
    module = choosing(ONE_LAYER, (1, 2), torch.tensor([[math.nan, 0.0]]))
    project(module, ONE_LAYER, Budget(network=3))
    assert probabilities(module, ONE_LAYER).isnan().all()
