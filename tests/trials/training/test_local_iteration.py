"""One iteration of the local search: what it carries over from the one before, what begins anew, what it refuses."""

from __future__ import annotations

import argparse
import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from common.bad_input import BadInput
from nas_space import searchable
from nas_space.layers.convolutions import BranchedConv
from nas_space.network import Network
from nas_space.networks import build, ms_tcn
from nas_space.structure import Structure
from tests.conftest import write_dataset
from tests.trials.changes import CHANGES
from tests.trials.conftest import tree
from tests.trials.training.tiny_chain import BRANCHING, CPU, MOVED, NETWORK, SETTINGS, STRUCTURE, equal, tiny_search
from trials.data.arguments import Task
from trials.data.dataset import Dataset
from trials.training.checkpoint import load_torch, save_torch
from trials.training.local_iteration import BranchedTraining, iteration_path
from trials.training.metrics import METRICS
from trials.training.training import Training


@pytest.fixture
def search(tmp_path: Path) -> BranchedTraining:
    return tiny_search(tmp_path / "data" / "small")


class Watch:
    """The state of every training before its first epoch, and the learning rate of every epoch."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.states: list[dict[str, Any]] = []
        self.rates: list[float] = []
        run_epoch = Training.run_epoch

        def watched(training: Training, *arguments: Any) -> float:
            if training.epoch == 0:
                self.states.append(copy.deepcopy(training.state_dict()))
            self.rates.append(training.learning_rate)
            return run_epoch(training, *arguments)

        monkeypatch.setattr(Training, "run_epoch", watched)


def saved(folder: Path, iteration: int) -> dict[str, Any]:
    return load_torch(iteration_path(folder, iteration))["training"]


def without_branch_weights(content: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if not name.endswith(".branch_weights")}


def steps_of(content: dict[str, Any]) -> set[int]:
    return {int(moments["steps"]) for moments in content.values()}


# What an iteration gives


def test_validation_metrics_of_each_epoch_and_probabilities_by_label(search: BranchedTraining, tmp_path: Path) -> None:
    epochs: list[dict[str, float]] = []
    learnt = search.train(STRUCTURE, 0, tmp_path / "chain", CPU, epochs.append)
    assert [tuple(row) for row in epochs] == [METRICS] * 2
    assert {label: len(shares) for label, shares in learnt.items()} == {"s1l0": 2, "s1l1": 3, "s2l0": 3, "s2l1": 3}
    assert [sum(shares) for shares in learnt.values()] == pytest.approx([1] * 4)
    content = load_torch(iteration_path(tmp_path / "chain", 0))
    assert (content["structure"], content["probabilities"]) == (STRUCTURE.by_path(), learnt)


def test_scalars_of_each_epoch_of_the_chain(search: BranchedTraining, tmp_path: Path) -> None:
    added: list[tuple[int, Mapping[str, float]]] = []
    metrics: list[dict[str, float]] = []
    for iteration in range(2):
        learnt = search.train(STRUCTURE, iteration, tmp_path, CPU, metrics.append, lambda *epoch: added.append(epoch))
        branches = {"s1l0": (1, 2), "s1l1": (1, 2, 3), "s2l0": (2, 4, 6), "s2l1": (4, 8, 12)}
        for label, dilations in branches.items():
            assert added[-1][1][f"dilation/{label}"] == pytest.approx(np.dot(learnt[label], dilations))
    assert [epoch for epoch, _ in added] == [1, 2, 3, 4]
    assert [scalars["validation/edit"] for _, scalars in added] == [row["edit"] for row in metrics]
    assert all(scalars["loss"] > 0 for _, scalars in added)
    assert [scalars["learning_rate"] for _, scalars in added] == [0.01] * 4


def test_run_twice_an_iteration_gives_the_same_numbers(search: BranchedTraining, tmp_path: Path) -> None:
    folder = tmp_path / "chain"
    first = search.train(STRUCTURE, 0, folder, CPU)
    again = search.train(STRUCTURE, 0, folder, CPU)
    assert first == again
    contents = []
    for _ in range(2):
        torch.rand(5)  # whatever else draws between
        search.train(MOVED, 1, folder, CPU)
        contents.append(load_torch(iteration_path(folder, 1)))
    assert equal(*contents)


def test_the_seed_decides_the_numbers(search: BranchedTraining, tmp_path: Path) -> None:
    other = replace(search, settings=replace(SETTINGS, seed=4))
    assert search.train(STRUCTURE, 0, tmp_path / "a", CPU) != other.train(STRUCTURE, 0, tmp_path / "b", CPU)


def test_the_data_are_only_read(search: BranchedTraining, tmp_path: Path) -> None:
    before = tree(tmp_path / "data")
    search.train(STRUCTURE, 0, tmp_path / "chain", CPU)
    assert tree(tmp_path / "data") == before


# What the next one begins with


def test_all_but_the_branch_weights_carries_over(
    search: BranchedTraining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "chain"
    search.train(STRUCTURE, 0, folder, CPU)
    watch = Watch(monkeypatch)
    search.train(MOVED, 1, folder, CPU)
    [begun], left = watch.states, saved(folder, 0)
    for part in ("network", "optimiser"):
        assert equal(without_branch_weights(begun[part]), without_branch_weights(left[part]))
    assert all(torch.equal(begun[part], left[part]) for part in ("shuffling", "dropout"))
    # Two epochs of two steps each, and Adam counts them on.
    assert steps_of(without_branch_weights(begun["optimiser"])) == {4}
    assert steps_of(saved(folder, 1)["optimiser"]) == {4, 8}


def test_branch_weights_and_their_moments_begin_anew(
    search: BranchedTraining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "chain"
    search.train(STRUCTURE, 0, folder, CPU)
    watch = Watch(monkeypatch)
    search.train(MOVED, 1, folder, CPU)
    [begun] = watch.states
    branch_weights = [value for name, value in begun["network"].items() if name.endswith(".branch_weights")]
    assert [value.tolist() for value in branch_weights] == [pytest.approx([0.01] * size) for size in (3, 3, 3, 2)]
    moments = {name: value for name, value in begun["optimiser"].items() if name.endswith(".branch_weights")}
    assert len(moments) == 4
    assert not any(value.any() for each in moments.values() for value in each.values())
    left = [value for name, value in saved(folder, 0)["optimiser"].items() if name.endswith(".branch_weights")]
    assert all(value.any() for each in left for value in each.values())


def test_learning_rate_decays_within_an_iteration_and_begins_anew(
    search: BranchedTraining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decaying = replace(search, settings=replace(SETTINGS, decay_epochs=(1,)))
    watch = Watch(monkeypatch)
    for iteration in range(2):
        decaying.train(STRUCTURE, iteration, tmp_path, CPU)
    assert watch.rates == pytest.approx([0.01, 0.001] * 2)


def test_two_iterations_equal_one_training_with_reset_branch_weights(search: BranchedTraining, tmp_path: Path) -> None:
    """The same without checkpoints: one network and one optimizer, whose branch weights are reset half-way."""
    learnt = [search.train(STRUCTURE, iteration, tmp_path / "chain", CPU) for iteration in range(2)]
    torch.manual_seed(SETTINGS.seed)
    network = build(STRUCTURE, feature_dim=6, classes=3)
    searchable.expand(network, STRUCTURE, BRANCHING)
    training = Training(network, SETTINGS, CPU)
    expected = []
    for _ in range(2):
        for conv in (module for module in network.modules() if isinstance(module, BranchedConv)):
            conv.branch_weights.data.fill_(0.01)
        for name, moments in training.optimizer.moments.items():
            if name.endswith(".branch_weights"):
                for value in moments.values():
                    value.zero_()
        for _ in range(SETTINGS.epochs):
            training.run_epoch(search.task.dataset, search.train_videos)
        expected.append(searchable.probabilities(network, NETWORK))
    assert learnt == expected


# Refusals


def test_the_iteration_before_must_have_left_its_checkpoint(search: BranchedTraining, tmp_path: Path) -> None:
    search.train(STRUCTURE, 0, tmp_path, CPU)
    with pytest.raises(BadInput) as refusal:
        search.train(STRUCTURE, 2, tmp_path, CPU)
    assert str(refusal.value) == f"{tmp_path}/iteration_1.pt: no such checkpoint"


def test_a_damaged_checkpoint_is_refused(search: BranchedTraining, tmp_path: Path) -> None:
    search.train(STRUCTURE, 0, tmp_path, CPU)
    path = iteration_path(tmp_path, 0)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(BadInput, match=r"iteration_0\.pt: not a checkpoint, or damaged"):
        search.train(STRUCTURE, 1, tmp_path, CPU)


@pytest.mark.parametrize(("classes", "dim"), [(4, 6), (3, 7)], ids=["classes", "feature dimension"])
def test_a_checkpoint_of_another_data_set_is_refused(
    search: BranchedTraining, classes: int, dim: int, tmp_path: Path
) -> None:
    search.train(STRUCTURE, 0, tmp_path / "chain", CPU)
    dataset = Dataset(write_dataset(tmp_path / "other", train=6, test=2, classes=classes, dim=dim))
    path = iteration_path(tmp_path / "chain", 0)
    without_fingerprint = load_torch(path)
    del without_fingerprint["data"]
    save_torch(path, without_fingerprint)
    with (
        pytest.warns(UserWarning, match=r"iteration_0\.pt: made by an earlier version, without a fingerprint"),
        pytest.raises(BadInput) as refusal,
    ):
        replace(search, task=Task("other", dataset, ())).train(STRUCTURE, 1, tmp_path / "chain", CPU)
    assert str(refusal.value) == f"{path}: of another data set (classes or feature dimension differ)"


@pytest.mark.parametrize(
    "other",
    [
        ms_tcn.describe(stages=3, layers=2, channels=8),
        ms_tcn.describe(stages=1, layers=2, channels=8),
        ms_tcn.describe(stages=2, layers=3, channels=8),
        ms_tcn.describe(stages=2, layers=2, kernel=5, channels=8),
    ],
    ids=str,
)
def test_a_checkpoint_of_another_network_is_refused(search: BranchedTraining, other: Network, tmp_path: Path) -> None:
    search.train(STRUCTURE, 0, tmp_path, CPU)
    with pytest.raises(BadInput, match=r"iteration_0\.pt: "):
        search.train(Structure.hand(other), 1, tmp_path, CPU)


def test_a_dilation_beyond_the_bounds_is_refused_before_data_are_read(search: BranchedTraining, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="layer s2l1: dilation 33 lies outside the bounds 1 to 32"):
        search.train(Structure((1, 2, 4, 33), NETWORK), 0, tmp_path / "chain", CPU)
    assert not (tmp_path / "chain").exists()


def test_a_search_needs_validation_videos(search: BranchedTraining) -> None:
    folder = search.task.dataset.folder
    options = {"dataset": "small", "data_root": folder.parent, "sample_rate": None, "background": None}
    reading = {"feature_dtype": "float32", "cache": None, "no_cache": True}
    arguments = argparse.Namespace(**options, **reading, validation_fraction=0)
    with pytest.raises(BadInput, match="--validation-fraction must be above 0"):
        BranchedTraining.from_arguments(arguments, 1, BRANCHING)


@pytest.mark.parametrize("name", CHANGES)
def test_a_chain_does_not_go_on_with_other_data(name: str, search: BranchedTraining, tmp_path: Path) -> None:
    search.train(STRUCTURE, 0, tmp_path / "chain", CPU)
    folder = search.task.dataset.folder
    CHANGES[name](folder)
    now = replace(search, task=replace(search.task, dataset=replace(search.task.dataset)))
    with pytest.raises(
        BadInput, match=f"^{folder / name}: has changed since {tmp_path / 'chain'} was started; restore"
    ):
        now.train(STRUCTURE, 1, tmp_path / "chain", CPU)
    assert not iteration_path(tmp_path / "chain", 1).exists()
