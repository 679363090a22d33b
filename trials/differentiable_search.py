"""The differentiable global search: one training of a network whose layers choose among all candidates at once.

Every layer has a branch for each candidate dilation; the branches share its weights, and their probabilities are
learned with them. A falling temperature makes each layer decide, so the final network is nearly that of the most
probable dilations. This is how DARTS searches (Liu et al., ICLR 2019), here over the global space of Global2Local.

In the first epochs all candidates stay equally probable: short-range patterns are learned first; without the warm-up,
layers would commit to small dilations before long-range ones are useful.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from common.atomic_file import write_json
from common.bad_input import BadInput, run_command
from common.command_parser import command_parser
from nas_space.budget import NO_LIMITS, Budget
from nas_space.network import Network, candidates_within
from nas_space.projection import project
from nas_space.searchable import choose, collapse, decide_leaving_out_first, probabilities, set_temperature
from nas_space.structure import Structure
from nas_space.structure_files import write_structure
from trials.data.arguments import Task, parse_with_dataset, split_number
from trials.read_out import read_out
from trials.training.checkpoint import DAMAGE, load_torch, save_torch, versions
from trials.training.device import find_device, handle_out_of_memory
from trials.training.epochs import SearchTraining
from trials.training.metrics import METRICS, objective_value
from trials.training.scoring import score_network
from trials.training.settings import TrainingSettings
from trials.trial_arguments import (
    BRANCH_LEARNING_RATE,
    WARM_UP,
    add_differentiable_arguments,
    candidates_of_layers,
    check_differentiable_arguments,
    check_schedule,
)

ANNEALING = 0.8
"""Share of the epochs after the warm-up in which the temperature falls."""
LOWEST_TEMPERATURE = 0.02
LIMITS_FALL = 0.5
"""Share of the epochs after the warm-up in which the limits fall to the budget."""


def temperature(epoch: int, epochs: int, warm_up: int) -> float:
    """The temperature in an epoch, counted from 0: after ``warm_up`` epochs it falls linearly from 1."""
    return max(LOWEST_TEMPERATURE, 1 - max(epoch - warm_up, 0) / (ANNEALING * (epochs - warm_up)))


@dataclass(frozen=True)
class SupernetResult:
    """The result of a search."""

    structure: Structure
    """The most probable dilation of each layer, within the budget."""
    probabilities: dict[str, list[float]]
    """Of the candidates, by short label."""
    metrics: dict[str, float]
    """Of the network with that structure and the weights of the search, or their average, on the validation videos."""
    epochs: list[dict[str, float]]
    """Loss, temperature and the validation metrics of the mixture, epoch by epoch."""
    seconds: float = field(compare=False)
    """Of all epochs, also of those before an interruption."""


@dataclass(frozen=True)
class SupernetTraining(SearchTraining):
    """The training of a network with a branch for each candidate, which finds a structure."""

    candidates: Mapping[str, tuple[int, ...]]
    """Of each layer, by short label."""
    network: Network
    branch_learning_rate: float = BRANCH_LEARNING_RATE
    warm_up: float = WARM_UP
    budget: Budget = NO_LIMITS

    def __post_init__(self) -> None:
        check_schedule(self.warm_up, self.branch_learning_rate)
        self.budget.check(self.candidates, self.network)

    @classmethod
    def of(cls, task: Task, split: int, network: Network, settings: TrainingSettings) -> SupernetTraining:
        """A search of a network's structure on a split, with all other options as usual.

        A quarter of the training videos validates; all powers of two are candidates that are shorter than the longest
        video. The test videos are not read.

        Raises:
            BadInput: there is no such split, or nothing can be held out of it.
        """
        candidates = dict.fromkeys(network.paths, candidates_within(task.dataset.longest(split)))
        return cls(task, split, *task.search_videos(split), settings, candidates, network)

    @classmethod
    def from_arguments(
        cls,
        arguments: argparse.Namespace,
        candidates: Mapping[str, Sequence[int]] | None = None,
        budget: Budget = NO_LIMITS,
    ) -> SupernetTraining:
        """The search that the options name.

        Args:
            candidates: those of an experiment's search space; None: those of the options, by default those that are
                shorter than the longest video.
            budget: what the structure may cost.

        Raises:
            BadInput: the options are invalid, or the candidates are of other layers.
        """
        check_differentiable_arguments(arguments)
        fields = cls.fields_from(arguments, split_number(arguments.split))
        network = arguments.network
        if candidates is None:
            candidates = candidates_of_layers(arguments, fields[0].dataset)
        if candidates.keys() != network.paths.keys():
            raise BadInput(f"the search space names other layers than --network {network}")
        of_layers = {label: tuple(candidates[label]) for label in network.paths}
        return cls(*fields, of_layers, network, arguments.branch_learning_rate, arguments.warm_up, budget)

    @property
    def warm_up_epochs(self) -> int:
        """The number of first epochs in which the probabilities are constant."""
        return int(self.warm_up * self.settings.epochs)

    def temperature(self, epoch: int) -> float:
        """The temperature in an epoch, counted from 0."""
        return temperature(epoch, self.settings.epochs, self.warm_up_epochs)

    def describe(self) -> dict[str, Any]:
        """What makes two searches the same, as JSON content."""
        first, *others = self.candidates.values()
        candidates: Any = {label: list(of_layer) for label, of_layer in self.candidates.items()}
        if all(other == first for other in others):  # as searches of earlier versions always did
            candidates = list(first)
        return {
            **super().describe(),
            "branch_learning_rate": self.branch_learning_rate,
            "warm_up": self.warm_up,
            "candidates": candidates,
            "network": self.network.to_json(),
            # Earlier versions had that choice in one softmax with all dilations.
            **({"leaving_out": "first"} if self._saves_layers else {}),
            **({"limits": str(self.budget)} if self.budget != NO_LIMITS else {}),
        }

    def run(
        self, folder: Path, device: torch.device, after_epoch: Callable[[dict[str, float]], object] = lambda _: None
    ) -> SupernetResult:
        """Search, or resume the search in ``folder``, with the same numbers on a CPU.

        Args:
            after_epoch: called with each row of ``SupernetResult.epochs``, also with those before an interruption.

        Raises:
            BadInput: the data is faulty, or ``folder`` holds a search with another description.
            NonFiniteLoss: the training failed.
        """
        training = self.start(Structure.hand(self.network), device, self._choose)
        module = training.network
        record = self.data_record(folder)
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
            if training.epoch == self.settings.epochs:  # else the next epoch reads what is not known yet
                record.note(unread=True)
            print(f"{folder}: resumed after epoch {training.epoch}", file=sys.stderr)
        for row in epochs:
            after_epoch(row)

        def set_schedule() -> None:
            set_temperature(module, self.temperature(training.epoch))
            warming_up = training.epoch < self.warm_up_epochs
            training.branch_learning_rate = 0.0 if warming_up else self.branch_learning_rate

        def hold() -> None:
            after = training.epoch - self.warm_up_epochs
            if self.budget != NO_LIMITS and after >= 0:
                fall = LIMITS_FALL * (self.settings.epochs - self.warm_up_epochs)
                project(module, self.network, self.budget, min((after + 1) / fall, 1.0))

        for row in self.epochs(training, set_schedule, hold):
            metrics = {name: row[name] for name in METRICS}
            schedule = {"temperature": self.temperature(training.epoch - 1)}
            epochs.append({"epoch": training.epoch, "loss": row["loss"], **schedule, **metrics})
            seconds += row["seconds"]
            record.note()
            progress = {"training": training.state_dict(), "epochs": epochs, "seconds": seconds}
            save_torch(path, {"search": self.describe(), **progress, "data": record.files})
            after_epoch(epochs[-1])
        set_temperature(module, self.temperature(self.settings.epochs - 1))
        learned = self._probabilities(module)
        structure = read_out(learned, self.candidates, self.network, self.budget)
        module.load_state_dict(training.scored_weights)  # an average has no say in the structure, only in its score
        collapse(module, structure)
        videos = training.videos(self.task.dataset)
        metrics = score_network(module, videos, self.validation_videos, self.task.background)
        return SupernetResult(structure, learned, metrics, epochs, seconds)

    @property
    def _saves_layers(self) -> bool:
        """Whether layers are left out because there must be fewer, and not because that is the shortest dilation.

        In one softmax with all dilations, the falling temperature leaves a layer out as soon as that is more probable
        than each of them. Where what a network sees is limited, that is welcome: what is saved is spent on others.
        """
        return self.budget.multiply_adds is not None

    def _choose(self, module: nn.Module) -> None:
        choose(module, self.network, self._possible)
        if self._saves_layers:
            decide_leaving_out_first(module, self.network)

    @cached_property
    def _possible(self) -> dict[str, tuple[int, ...]]:
        """The candidates that get a branch, by short label: those with which the budget can be kept."""
        return self.budget.possible(self.candidates, self.network)

    def _probabilities(self, module: nn.Module) -> dict[str, list[float]]:
        """Of all candidates, by short label: 0 of those without a branch."""
        learned = {
            label: dict(zip(self._possible[label], of_layer, strict=True))
            for label, of_layer in probabilities(module, self.network).items()
        }
        return {
            label: [of_layer.get(each, 0.0) for each in self.candidates[label]] for label, of_layer in learned.items()
        }


def parse_arguments(words: Sequence[str] | None = None) -> tuple[argparse.Namespace, str]:
    """The options, with the defaults of the data set, and a line of these; None: those of this process."""
    parser = command_parser(
        "trials.differentiable_search", main.__doc__, "--dataset gtea --split 1 --output runs/found"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for best.json, search.json and search.pt")
    Budget.add_arguments(parser)
    add_differentiable_arguments(parser)
    return parse_with_dataset(parser, "differentiable_search", words)


@handle_out_of_memory()
def main() -> None:
    """Search the global space in one training; started again with the same --output, it resumes."""
    arguments, defaults = parse_arguments()
    budget = Budget.from_arguments(arguments, Task.from_arguments(arguments).frames_per_second)
    search = SupernetTraining.from_arguments(arguments, budget=budget)
    device = find_device(arguments.device)
    if defaults:  # not before all that may be refused
        print(defaults, file=sys.stderr)
    with tqdm(total=search.settings.epochs, unit="epoch", disable=None) as progress:

        def show(row: dict[str, float]) -> None:
            progress.update(int(row["epoch"]) - progress.n)
            if progress.disable:
                value = objective_value(row, arguments.objective)
                print(f"epoch {row['epoch']}: loss {row['loss']:.3f}, {value:.2f}", file=sys.stderr, flush=True)

        result = search.run(arguments.output, device, show)
    value = objective_value(result.metrics, arguments.objective)
    print(f"{arguments.objective} {value:.2f} on validation videos: {result.structure}", file=sys.stderr)
    content = {"search": search.describe(), "versions": versions(), "epochs": result.epochs}
    write_json(arguments.output / "search.json", {**content, "probabilities": result.probabilities})
    cost = {"epochs": len(result.epochs), "seconds": round(result.seconds, 3)}
    write_structure(result.structure, arguments.output / "best.json", about={**cost, "metrics": result.metrics})
    print(arguments.output / "best.json")


if __name__ == "__main__":
    run_command(main)
