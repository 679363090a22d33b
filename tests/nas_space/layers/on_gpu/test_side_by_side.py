"""Several networks at once compute, and learn, what each does alone."""

from __future__ import annotations

import copy
from typing import cast

import pytest
import torch
from torch import nn

from benchmarks.operators import count_operators
from nas_space.layers.on_gpu.side_by_side import SideBySide
from nas_space.layers.stages import StagedNetwork
from nas_space.network import Network
from nas_space.networks import build, find_network
from nas_space.structure import Structure
from tests.nas_space.networks.packed import with_dropout
from tests.nas_space.networks.test_gathered import CHANGES
from tests.trials.training import tape
from tests.trials.training.indexed_batch import CPU, batch_of
from trials.training.replayed_step import ReplayedStep
from trials.training.settings import TrainingSettings
from trials.training.training import Training

NETWORKS = ["ms-tcn:stages=3,layers=3,channels=6", "causal-ms-tcn:stages=2,layers=3,channels=6"]
NETWORKS += ["ms-tcn:stages=2,layers=2,kernel=5,channels=6"]


LENGTHS = [[9, 1, 50, 4], [20], [2, 2, 30]]


def module_of(network: Network, seed: int, change: str = "plain", dropout: float = 0.0) -> StagedNetwork:
    """Of random dilations and weights, in float64."""
    torch.manual_seed(seed)
    structure = Structure(tuple(torch.randint(2, 30, (len(network.paths),)).tolist()), network)
    module = build(structure, feature_dim=5, classes=4)
    CHANGES[change](module, structure)
    return cast(StagedNetwork, with_dropout(module, dropout).double())


def started(module: nn.Module) -> Training:
    training = Training(module, TrainingSettings(), CPU)
    training.network.train()
    return training


@pytest.mark.parametrize("change", ["plain", "branched", "choosing", "leaving out first"])
@pytest.mark.parametrize("name", NETWORKS)
def test_each_learns_as_if_it_were_alone(name: str, change: str) -> None:
    modules = [module_of(find_network(name), seed, change) for seed in range(3)]
    alone, together = [started(copy.deepcopy(module)) for module in modules], started(SideBySide(modules))
    for seed, lengths in enumerate(LENGTHS):
        batch = batch_of(lengths, seed=seed)
        losses = [training.step(batch) for training in alone]
        torch.testing.assert_close(together.step(batch), torch.stack(losses).sum(), rtol=1e-12, atol=1e-12)
    for training, module in zip(alone, modules, strict=True):
        torch.testing.assert_close(module.state_dict(), training.network.state_dict(), rtol=1e-9, atol=1e-9)


def test_outputs_come_stage_by_stage() -> None:
    modules = [module_of(find_network(NETWORKS[0]), seed) for seed in range(2)]
    batch = batch_of([30, 5])
    found = SideBySide(modules)(batch.videos).unflatten(0, (3, 2))
    torch.testing.assert_close(found, torch.stack([module(batch.videos) for module in modules], 1))


def test_each_drops_elements_of_its_own() -> None:
    """Two that are equal in all else differ after a step; equal masks would keep them equal."""
    module = module_of(find_network(NETWORKS[0]), 0, dropout=0.5)
    one, other = module, copy.deepcopy(module)
    started(SideBySide([one, other])).step(batch_of([60]))
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    assert not any(torch.equal(first, second) for first, second in pairs)


def test_what_is_recorded_serves_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ReplayedStep, "_recorded", lambda self, size: tape.recorded(lambda: self._compute(size)))
    together = started(SideBySide([module_of(find_network(NETWORKS[0]), seed) for seed in range(2)]))
    replayed = copy.deepcopy(together)
    replayed.replay(72, 5)
    for seed, lengths in enumerate(LENGTHS):
        batch = batch_of(lengths, seed=seed)
        torch.testing.assert_close(replayed.step(batch), together.step(batch), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(replayed.network.state_dict(), together.network.state_dict(), rtol=1e-9, atol=1e-9)


def test_many_are_hardly_more_operators_than_one() -> None:
    def operators(count: int) -> int:
        training = started(SideBySide([module_of(find_network(NETWORKS[0]), seed) for seed in range(count)]))
        batch = batch_of([30, 5])
        training.step(batch)  # takes the dilations to the device, once
        return count_operators(lambda: training.step(batch)).others

    assert operators(8) < 1.5 * operators(1)


@pytest.mark.parametrize(
    ("names", "dilations"),
    [
        ((NETWORKS[0], "causal-ms-tcn:stages=3,layers=3,channels=6"), None),
        ((NETWORKS[0], "ms-tcn:stages=3,layers=3,channels=8"), None),
        ((NETWORKS[0], "ms-tcn:stages=2,layers=3,channels=6"), None),
        ((NETWORKS[0], "ms-tcn:stages=3,layers=4,channels=6"), None),
        ((NETWORKS[0], NETWORKS[0]), (1, 2, 0, 1, 2, 3, 1, 2, 3)),
    ],
)
def test_networks_that_differ_in_more_are_refused(names: tuple[str, str], dilations: tuple[int, ...] | None) -> None:
    one, other = (find_network(name) for name in names)
    second = module_of(other, 1) if dilations is None else build(Structure(dilations, other), 5, 4)
    with pytest.raises(ValueError, match="networks side by side must be alike"):
        SideBySide([module_of(one, 0), cast(StagedNetwork, second)])


def test_another_dropout_is_refused() -> None:
    modules = [module_of(find_network(NETWORKS[0]), 0, dropout=dropout) for dropout in (0.0, 0.5)]
    with pytest.raises(ValueError, match="networks side by side must be alike"):
        SideBySide(modules)


def test_layers_that_all_leave_out_are_left_out() -> None:
    network = find_network(NETWORKS[0])
    dilations = [(1, 0, 2, 3, 1, 0, 2, 2, 2), (5, 0, 3, 1, 1, 0, 4, 1, 9)]
    modules = [cast(StagedNetwork, build(Structure(each, network), 5, 4).double()) for each in dilations]
    batch = batch_of([30, 5])
    for module in modules:
        module.eval()
    found = SideBySide(modules).eval()(batch.videos).unflatten(0, (3, 2))
    torch.testing.assert_close(found, torch.stack([module(batch.videos) for module in modules], 1))


def test_stages_of_another_kind_are_refused() -> None:
    network = find_network("ms-tcn++:prediction=3,refinements=1,layers=2,channels=6")
    with pytest.raises(ValueError, match="not a stage of MS-TCN: DualStage"):
        SideBySide([cast(StagedNetwork, build(Structure.hand(network), 5, 4))])
