"""Iterations whose checkpoints are lost: trained again from the last one that is there, with the same numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from common.bad_input import BadInput
from nas_space.networks import ms_tcn
from nas_space.structure import Structure
from tests.trials.changes import CHANGES
from tests.trials.training.tiny_chain import CPU, MOVED, NETWORK, SETTINGS, STRUCTURE, equal, tiny_search
from trials.training.checkpoint import load_torch
from trials.training.local_iteration import BranchedTraining, iteration_path

CHAIN = (STRUCTURE, MOVED, Structure((2, 2, 4, 16), NETWORK), STRUCTURE)


@pytest.fixture
def search(tmp_path: Path) -> BranchedTraining:
    return tiny_search(tmp_path / "data" / "small")


def train_chain(search: BranchedTraining, folder: Path) -> list[dict[str, list[float]]]:
    return [search.train(structure, iteration, folder, CPU) for iteration, structure in enumerate(CHAIN)]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:500])


@pytest.mark.parametrize(
    ("missing", "damaged", "again"),
    [
        ((), (), []),
        ((0, 1), (), []),  # the one before is there
        ((2,), (), [2]),
        ((), (2,), [2]),
        ((1,), (2,), [2, 1]),
        ((0, 2), (1,), [2, 1, 0]),
    ],
    ids=str,
)
def test_lost_iterations_are_trained_again_with_the_same_numbers(
    search: BranchedTraining,
    tmp_path: Path,
    missing: tuple[int, ...],
    damaged: tuple[int, ...],
    again: list[int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    learnt = train_chain(search, tmp_path / "undisturbed")[-1]
    folder = tmp_path / "struck"
    train_chain(search, folder)
    for iteration in (3, *missing):
        iteration_path(folder, iteration).unlink()
    for iteration in damaged:
        cut(iteration_path(folder, iteration))
    capsys.readouterr()
    epochs: list[dict[str, float]] = []
    added: list[int] = []
    torch.rand(5)  # whatever else draws between
    found = search.train(
        CHAIN[3], 3, folder, CPU, epochs.append, lambda epoch, _: added.append(epoch), earlier=CHAIN[:3]
    )
    assert found == learnt
    said = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[0] for line in said] == [str(iteration_path(folder, iteration)) for iteration in again]
    assert all(line.endswith(": that iteration is trained again") for line in said)
    # Only the iteration itself is reported.
    assert (len(epochs), added) == (SETTINGS.epochs, [7, 8])
    for iteration in {*again, 3}:
        here, there = (load_torch(iteration_path(each, iteration)) for each in (folder, tmp_path / "undisturbed"))
        assert equal(here, there)
    # What is not needed is not trained again.
    assert not any(iteration_path(folder, iteration).exists() for iteration in set(missing) - set(again))


def test_the_structures_of_lost_iterations_are_those_that_the_search_has(
    search: BranchedTraining, tmp_path: Path
) -> None:
    """On a GPU, an iteration that is trained again could lead elsewhere: its chain has gone on already."""
    folder = tmp_path / "chain"
    search.train(MOVED, 1, folder, CPU, earlier=[MOVED])
    assert load_torch(iteration_path(folder, 0))["structure"] == MOVED.by_path()


def test_a_checkpoint_of_another_network_is_not_taken_for_a_lost_one(search: BranchedTraining, tmp_path: Path) -> None:
    folder = tmp_path / "chain"
    search.train(STRUCTURE, 0, folder, CPU)
    content = iteration_path(folder, 0).read_bytes()
    other = Structure.hand(ms_tcn.describe(stages=3, layers=2, channels=8))
    with pytest.raises(BadInput, match=r"iteration_0\.pt: of another network"):
        search.train(other, 2, folder, CPU, earlier=[other, other])
    assert iteration_path(folder, 0).read_bytes() == content
    assert not iteration_path(folder, 1).exists()


@pytest.mark.parametrize("name", CHANGES)
def test_lost_iterations_are_not_trained_again_on_other_data(
    name: str, search: BranchedTraining, tmp_path: Path
) -> None:
    """The record of the whole search knows what the lost checkpoints knew."""
    record = search.data_record(tmp_path / "chain")
    search.train(STRUCTURE, 0, tmp_path / "chain", CPU, record=record)
    iteration_path(tmp_path / "chain", 0).unlink()
    folder = search.task.dataset.folder
    CHANGES[name](folder)
    now = replace(search, task=replace(search.task, dataset=replace(search.task.dataset)))
    later = now.data_record(tmp_path / "chain")
    later.files = record.files
    with pytest.raises(BadInput, match=f"^{folder / name}: has changed since {tmp_path / 'chain'} was started"):
        now.train(MOVED, 1, tmp_path / "chain", CPU, earlier=[STRUCTURE], record=later)
    assert not list((tmp_path / "chain").glob("*.pt"))
