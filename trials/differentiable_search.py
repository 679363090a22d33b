"""The differentiable global search: one training of a network whose layers choose among all candidates at once.

Every layer has a branch for each candidate dilation; the branches share its weights, and their probabilities are
learned with them. A falling temperature makes each layer decide, so that the network at the end is nearly the one that
its most probable dilations make. This is how DARTS searches (Liu et al., ICLR 2019), here over the global space of
Global2Local.

In the first epochs all candidates stay equally probable: short-range patterns are learned first; without the warm-up,
layers would commit to small dilations before long-range ones are useful.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from common.atomic_file import write_json
from common.bad_input import BadInput, run_command
from nas_space.network import Network
from nas_space.searchable import choose, collapse, probabilities, set_temperature
from nas_space.structure import Structure
from nas_space.structure_files import write_structure
from trials.data.arguments import Task, parse_with_dataset, search_videos, split_number
from trials.data.fingerprint import DataRecord
from trials.differentiable_arguments import (
    BRANCH_LEARNING_RATE,
    WARM_UP,
    add_search_arguments,
    candidates_of_layers,
    check_schedule,
    check_search_arguments,
)
from trials.training.arguments import training_settings
from trials.training.checkpoint import DAMAGE, load_torch, save_torch, versions
from trials.training.epochs import new_training, train_epochs
from trials.training.metrics import METRICS, objective_value
from trials.training.threads import choose_threads
from trials.training.training import TrainingSettings, find_device, score_network, telling_full_memory

COOLED = 0.8
"""Share of the rest after which it stays as cold as it gets."""
COLDEST = 0.02


def temperature(epoch: int, epochs: int, held: int) -> float:
    """The temperature in an epoch, counted from 0: after ``held`` epochs it falls evenly from 1."""
    return max(COLDEST, 1 - max(epoch - held, 0) / (COOLED * (epochs - held)))


def most_probable(
    probabilities: Mapping[str, Sequence[float]], candidates: Mapping[str, Sequence[int]]
) -> dict[str, int]:
    """The most probable candidate of each layer, by short label; of equals, the first."""
    return {label: candidates[label][learnt.index(max(learnt))] for label, learnt in probabilities.items()}


@dataclass(frozen=True)
class Found:
    """What a search has found."""

    structure: Structure
    """The most probable dilation of each layer."""
    probabilities: dict[str, list[float]]
    """Of the candidates, by short label."""
    metrics: dict[str, float]
    """Of the network with that structure and the weights of the search, on the validation videos."""
    epochs: list[dict[str, float]]
    """Loss, temperature and the validation metrics of the mixture, epoch by epoch."""
    seconds: float = field(compare=False)
    """Of all epochs, also of those before an interruption."""


@dataclass(frozen=True)
class DifferentiableSearch:
    """What a search needs: data, network, candidates, schedule."""

    task: Task
    split: int
    train_videos: tuple[str, ...]
    validation_videos: tuple[str, ...]
    settings: TrainingSettings
    candidates: Mapping[str, tuple[int, ...]]
    """Of each layer, by short label."""
    network: Network
    branch_learning_rate: float = BRANCH_LEARNING_RATE
    warm_up: float = WARM_UP

    def __post_init__(self) -> None:
        check_schedule(self.warm_up, self.branch_learning_rate)

    @classmethod
    def from_arguments(
        cls, arguments: argparse.Namespace, candidates: Mapping[str, Sequence[int]] | None = None
    ) -> DifferentiableSearch:
        """The search that the options name, over the candidates of the options or of an experiment's search space.

        Raises:
            BadInput: there is no such search.
        """
        check_search_arguments(arguments)
        settings = training_settings(arguments)
        task, split = Task.from_arguments(arguments), split_number(arguments.split)
        kept, held = search_videos(arguments, task.dataset.split(split)[0])
        choose_threads(arguments, task.dataset, kept)
        network = arguments.network
        of_layers = candidates_of_layers(arguments)
        if candidates is not None:
            if candidates.keys() != network.paths.keys():
                raise BadInput(f"the search space names other layers than --network {network}")
            of_layers = {label: tuple(candidates[label]) for label in network.paths}
        rate, warm_up = arguments.branch_learning_rate, arguments.warm_up
        return cls(task, split, kept, held, settings, of_layers, network, rate, warm_up)

    @property
    def held_epochs(self) -> int:
        """The first epochs, in which the probabilities are held still."""
        return int(self.warm_up * self.settings.epochs)

    def temperature(self, epoch: int) -> float:
        """Of an epoch, counted from 0."""
        return temperature(epoch, self.settings.epochs, self.held_epochs)

    def describe(self) -> dict[str, Any]:
        """What makes two searches the same, as JSON content."""
        return {
            **self.task.describe(),
            "split": self.split,
            "settings": self.settings.describe(),
            "branch_learning_rate": self.branch_learning_rate,
            "warm_up": self.warm_up,
            "candidates": self._described_candidates(),
            "network": self.network.to_json(),
            "train_videos": list(self.train_videos),
            "validation_videos": list(self.validation_videos),
        }

    def _described_candidates(self) -> list[int] | dict[str, list[int]]:
        """One list where all layers choose among the same: so they are described in searches of earlier versions."""
        first, *others = self.candidates.values()
        if all(other == first for other in others):
            return list(first)
        return {label: list(of_layer) for label, of_layer in self.candidates.items()}

    def run(
        self, folder: Path, device: torch.device, after_epoch: Callable[[dict[str, float]], object] = lambda _: None
    ) -> Found:
        """Search, or go on with the search that ``folder`` holds; with the same numbers on a CPU.

        Args:
            after_epoch: is given each row of ``Found.epochs``, those of before an interruption first.

        Raises:
            BadInput: the data is faulty, or ``folder`` holds a search with another description.
            NonFiniteLoss: the training failed.
        """
        dataset = self.task.dataset
        training = new_training(
            self.task,
            Structure.hand(self.network),
            self.settings,
            self.train_videos,
            self.validation_videos,
            device,
            lambda module: choose(module, self.network, self.candidates),
        )
        module = training.network
        videos = self.train_videos + self.validation_videos
        advice = "restore it, or choose another folder"
        record = DataRecord(dataset, self.split, videos, f"{folder} was started", advice)
        path, epochs, seconds = folder / "search.pt", [], 0.0
        if path.exists():
            state = load_torch(path)
            other = f"{folder}: holds a search with other settings; choose another folder, or remove it"
            record.go_on(state, "search", self.describe(), path, other)
            try:
                training.load_state_dict(state["training"])
                epochs, seconds = state["epochs"], float(state["seconds"])
                if [row["epoch"] for row in epochs] != list(range(1, training.epoch + 1)):
                    raise ValueError("epochs are missing")
                if any(not {"loss", *METRICS} <= row.keys() for row in epochs):
                    raise ValueError("metrics are missing")
            except DAMAGE as fault:
                raise BadInput(f"{path}: damaged ({fault!r}); choose another folder, or remove it") from None
            if training.epoch == self.settings.epochs:  # else what is not known yet is read in the next epoch
                record.note(unread=True)
            print(f"{folder}: resumed after epoch {training.epoch}", file=sys.stderr)
        for row in epochs:
            after_epoch(row)

        def set_schedule() -> None:
            set_temperature(module, self.temperature(training.epoch))
            holds = training.epoch < self.held_epochs
            training.branch_learning_rate = 0.0 if holds else self.branch_learning_rate

        for row in train_epochs(training, self.task, self.train_videos, self.validation_videos, set_schedule):
            metrics = {name: row[name] for name in METRICS}
            heat = self.temperature(training.epoch - 1)
            epochs.append({"epoch": training.epoch, "loss": row["loss"], "temperature": heat, **metrics})
            seconds += row["seconds"]
            record.note()
            progress = {"training": training.state_dict(), "epochs": epochs, "seconds": seconds}
            save_torch(path, {"search": self.describe(), **progress, "data": record.files})
            after_epoch(epochs[-1])
        set_temperature(module, self.temperature(self.settings.epochs - 1))
        learned = probabilities(module, self.network)
        structure = Structure.from_labels(most_probable(learned, self.candidates), self.network)
        collapse(module, structure)
        metrics = score_network(module, dataset, self.validation_videos, self.task.background, device)
        return Found(structure, learned, metrics, epochs, seconds)


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, with the defaults of the data set; None: those of this process."""
    parser = argparse.ArgumentParser(
        prog="python -m trials.differentiable_search",
        description=main.__doc__,
        epilog="example: python -m trials.differentiable_search --dataset gtea --split 1 --output runs/found",
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for best.json, search.json and search.pt")
    add_search_arguments(parser)
    return parse_with_dataset(parser, "differentiable_search", words)


@telling_full_memory()
def main() -> None:
    """Search the global space in one training; killed and started again with the same --output, it goes on."""
    arguments = parse_arguments()
    search, device = DifferentiableSearch.from_arguments(arguments), find_device(arguments.device)
    with tqdm(total=search.settings.epochs, unit="epoch", disable=None) as progress:

        def show(row: dict[str, float]) -> None:
            progress.update(int(row["epoch"]) - progress.n)
            if progress.disable:
                value = objective_value(row, arguments.objective)
                print(f"epoch {row['epoch']}: loss {row['loss']:.3f}, {value:.2f}", file=sys.stderr, flush=True)

        found = search.run(arguments.output, device, show)
    value = objective_value(found.metrics, arguments.objective)
    print(f"{arguments.objective} {value:.2f} on validation videos: {found.structure}", file=sys.stderr)
    content = {"search": search.describe(), "versions": versions(), "epochs": found.epochs}
    write_json(arguments.output / "search.json", {**content, "probabilities": found.probabilities})
    cost = {"epochs": len(found.epochs), "seconds": round(found.seconds, 3)}
    write_structure(found.structure, arguments.output / "best.json", about={**cost, "metrics": found.metrics})
    print(arguments.output / "best.json")


if __name__ == "__main__":
    run_command(main)
