"""The searches on Breakfast as ``experiments/breakfast_*.yml`` say them, and those that occupy more GPUs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from benchmarks.breakfast_searches import EPOCHS, number
from benchmarks.interleaved import REPOSITORY
from common.bad_input import BadInput
from experiments.config_file import class_arguments, read_config
from experiments.steps import trials_of
from nas_space.branching import Branching
from nas_space.networks import DEFAULT, find_network
from studies.scale.costs import Costs
from studies.scale.simulate import Outcome, Work, simulate
from studies.scale.works import genetic_work, local_work, training_work

Kind = Literal["genetic", "differentiable", "local", "final"]

NETWORK = find_network(DEFAULT)
SPLITS = 4
GPUS_OF_A_HOST = 8

TRIAL_SECONDS: dict[Kind, float] = {"genetic": 152.0, "differentiable": 1440.0, "local": 112.0, "final": 1836.0}
"""Of a trial's training on one H100 with the padded layers of an earlier version: 211 hours of 5,000 trials, 0.40
hours, 0.31 hours of 10 iterations, and 0.51 hours (``docs/search.md``). The present layers have not been timed."""
CHECKPOINT, TRAINED = 9_600_000, 3_200_000
"""Bytes that an iteration or a differentiable search leaves, and a final training (``docs/search.md``)."""


@dataclass(frozen=True)
class Plan:
    """A search as it is run."""

    name: str
    kind: Kind
    work: Callable[[float, int], Work]
    """By the seconds of a trial's training, and the GPUs of one manager."""
    managers: int = 1
    """Each has an equal part of the GPUs and of the trials; they share one store."""

    def outcome(self, gpus: int, costs: Costs, seconds: Mapping[Kind, float] = TRIAL_SECONDS) -> Outcome:
        """The plan on so many GPUs. On one host, checkpoints stay on its disk.

        Raises:
            BadInput: there are fewer GPUs than managers, or some are left over.
        """
        if gpus % self.managers:
            raise BadInput(f"{gpus} GPUs cannot be shared evenly by {self.managers} managers")
        share = gpus // self.managers
        works = [self.work(seconds[self.kind], share) for _ in range(self.managers)]
        if gpus <= GPUS_OF_A_HOST:
            works = [replace(work, pushed=0) for work in works]
        return simulate(works, share, costs)


def _genetic(managers: int) -> Callable[[float, int], Work]:
    population, budget = number("paper", r"\bpopulation_size: (\d+)"), number("paper", r"\bbudget: (\d+)")
    epochs = number("paper", EPOCHS)
    return lambda seconds, _: genetic_work(NETWORK, population, budget // managers, seconds, epochs)


def _trainings(file: str, bytes_left: int, splits: int = 1) -> Callable[[float, int], Work]:
    count = trials_of(read_config(REPOSITORY / "experiments" / f"breakfast_{file}.yml"))
    assert count is not None
    return lambda seconds, _: training_work(splits * count, seconds, number(file, EPOCHS), bytes_left)


def _local(chains: int | None) -> Callable[[float, int], Work]:
    """So many chains; None: one for each GPU."""
    settings = class_arguments(read_config(REPOSITORY / "experiments" / "breakfast_local.yml"))
    branching = Branching(settings["branches"], settings["expand_rate"], maximum=settings["max_dilation"])
    how = (number("local", EPOCHS), CHECKPOINT)
    return lambda seconds, gpus: local_work(NETWORK, branching, chains or gpus, settings["iterations"], seconds, *how)


AS_THEY_ARE = (
    Plan("genetic search, the paper's settings", "genetic", _genetic(1)),
    Plan("differentiable search", "differentiable", _trainings("differentiable", CHECKPOINT)),
    Plan("local search", "local", _local(1)),
    Plan("final trainings", "final", _trainings("final", TRAINED)),
)
"""What the files say, of one split but for the final trainings."""
CHANGED = (
    Plan("genetic search, 8 managers", "genetic", _genetic(8), managers=8),
    Plan("differentiable search, 4 splits at once", "differentiable", _trainings("differentiable", CHECKPOINT, SPLITS)),
    Plan("local search, 4 splits x 3 seeds", "local", _local(SPLITS * 3)),
    Plan("local search, a chain for each GPU", "local", _local(None)),
    Plan("local search, a chain for each GPU, 8 managers", "local", _local(None), managers=8),
)
"""Several managers with one store, and more searches side by side."""
