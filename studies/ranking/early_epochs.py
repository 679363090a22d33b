"""Do the first epochs of a training predict the final ranking of structures, as searches by short trainings assume?

``hand`` and random structures of the global space are each trained for the full schedule with several seeds, and
evaluated on validation videos after every epoch and on the test videos at the end. Kendall's tau then compares the
ranking of one seed after few epochs with the final ranking of all the other seeds, which are independent of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from analysis.rank_correlation import kendall_tau
from common.atomic_file import write_text
from common.bad_input import BadInput, run_command
from common.command_parser import command_parser
from nas_space.network import POWERS_OF_TWO, Network
from nas_space.networks import find_network
from nas_space.structure import Structure
from strategies.genes import sample_genes
from studies.worker_pool import run_all
from trials.data.arguments import (
    SEARCH_FRACTION,
    Task,
    add_dataset_arguments,
    add_holdout_arguments,
    held_out,
    split_number,
)
from trials.table import csv_text
from trials.training.arguments import add_schedule_arguments, schedule_settings
from trials.training.final_training import FinalTraining
from trials.training.metrics import objective_value
from trials.training.settings import TrainingSettings

EARLY_EPOCHS = (1, 2, 3, 5, 10, 20, 30)

CPU = torch.device("cpu")

Scores = npt.NDArray[np.float64]


def agreement(early: Scores, late: Scores) -> float:
    """How well one seed's early scores predict the final ranking of the other seeds: mean tau over the seeds.

    Args:
        early, late: (structures, seeds).
    """
    seeds = range(early.shape[1])
    return mean(kendall_tau(early[:, seed], np.delete(late, seed, axis=1).mean(axis=1)) for seed in seeds)


def spread(scores: Scores) -> tuple[float, float]:
    """Standard deviation between the seeds of one structure (pooled), and between structures (means over the seeds).

    Args:
        scores: (structures, seeds).
    """
    return float(np.sqrt(scores.var(axis=1, ddof=1).mean())), float(scores.mean(axis=1).std(ddof=1))


def random_structures(count: int, network: Network, seed: int) -> list[Structure]:
    """Structures sampled uniformly from the powers of two, as at the start of a global search."""
    random = np.random.default_rng(seed)
    return [Structure(sample_genes([POWERS_OF_TWO] * len(network.layers), random), network) for _ in range(count)]


@dataclass(frozen=True)
class Study:
    """Structures that are all trained for the full schedule with several seeds."""

    task: Task
    split: int
    train_videos: tuple[str, ...]
    validation_videos: tuple[str, ...]
    test_videos: tuple[str, ...]
    settings: TrainingSettings
    structures: dict[str, Structure]
    """By name; ``hand`` first, the others random."""
    seeds: tuple[int, ...]
    workers: int
    """Processes of one thread."""
    output: Path

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Add the options of a study."""
        parser.add_argument("--split", required=True, help="number of a split")
        parser.add_argument(
            "--structures", type=int, default=12, help="random ones, in addition to hand (default: %(default)s)"
        )
        parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the trainings (default: 0 1 2)")
        parser.add_argument("--workers", type=int, default=2, help="processes of one thread (default: %(default)s)")
        parser.add_argument("--output", type=Path, required=True, help="folder of the trainings")
        add_dataset_arguments(parser)
        add_holdout_arguments(parser, fraction=SEARCH_FRACTION)
        add_schedule_arguments(parser, epochs=40)

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> Study:
        """The study that the options describe. Raises BadInput where they describe none."""
        seeds: tuple[int, ...] = tuple(arguments.seeds)
        if arguments.structures < 2 or len(seeds) < 2 or arguments.workers < 1:
            raise BadInput("at least 2 random structures, 2 seeds and 1 worker are needed")
        if len(set(seeds)) < len(seeds) or min(seeds) < 0:
            raise BadInput("--seeds must be different whole numbers of at least 0")
        task, split = Task.from_arguments(arguments), split_number(arguments.split)
        every, test_videos = task.dataset.split(split)
        train_videos, validation_videos = held_out(arguments, every)
        if not validation_videos:
            raise BadInput("short trainings are evaluated on validation videos: --validation-fraction must be above 0")
        network = find_network("ms-tcn")
        structures = {"hand": Structure.hand(network)} | {
            f"random{number}": structure
            for number, structure in enumerate(random_structures(arguments.structures, network, seed=0))
        }
        settings = schedule_settings(arguments)
        videos = (train_videos, validation_videos, test_videos)
        return cls(task, split, *videos, settings, structures, seeds, arguments.workers, arguments.output)

    def describe(self) -> dict[str, Any]:
        """All settings except the seeds, as JSON content."""
        return {
            **self.task.describe(),
            "split": self.split,
            "settings": self.settings.describe(),
            "train_videos": list(self.train_videos),
            "validation_videos": list(self.validation_videos),
            "structures": {name: str(structure) for name, structure in self.structures.items()},
        }

    def folder(self, name: str, seed: int) -> Path:
        """The folder of a training."""
        return self.output / name / f"seed{seed}"

    def run(self) -> dict[tuple[str, int], dict[str, Any]]:
        """Run or resume all trainings, and write ``trainings.csv``.

        Returns:
            The metrics.json content of each by structure's name and seed.
        """
        videos = (self.train_videos, self.validation_videos, self.test_videos)
        jobs = {}
        for name, seed in product(self.structures, self.seeds):
            own = replace(self.settings, seed=seed)
            training = FinalTraining(self.task, self.split, self.structures[name], own, *videos, "last")
            jobs[name, seed] = (training, self.folder(name, seed), CPU)
        results = run_all(self.workers, FinalTraining.run, jobs, "training")
        rows = [self._row(name, seed, results[name, seed]) for name, seed in jobs]
        write_text(self.output / "trainings.csv", csv_text(rows))
        return results

    def _row(self, name: str, seed: int, result: dict[str, Any]) -> dict[str, Any]:
        """Means of the five metrics of a training: of validation videos after each epoch, of test videos at the end."""
        history = enumerate(result["history"], 1)
        validation = {f"validation_{epoch}": round(objective_value(each, "mean"), 2) for epoch, each in history}
        test = round(objective_value(result["test"], "mean"), 2)
        return {"structure": name, "dilations": str(self.structures[name]), "seed": seed, "test": test, **validation}


def report(results: dict[tuple[str, int], dict[str, Any]], seeds: Sequence[int]) -> str:
    """The tables, from the metrics.json content of each training by structure's name and seed."""
    names = list(dict.fromkeys(name for name, _ in results))

    def scores(row: Any) -> Scores:
        return np.array([[objective_value(row(results[name, seed]), "mean") for seed in seeds] for name in names])

    epochs = len(results[names[0], seeds[0]]["history"])
    validation = [scores(lambda result, epoch=epoch: result["history"][epoch]) for epoch in range(epochs)]
    test = scores(lambda result: result["test"])
    lines = [
        f"mean of the five metrics; {len(names)} structures x {len(seeds)} seeds, {epochs} epochs",
        f"{'':<28}{'validation':>12}{'test':>8}",
        f"{'hand':<28}{validation[-1][0].mean():>12.1f}{test[0].mean():>8.1f}",
        f"{'best of the others':<28}{validation[-1][1:].mean(axis=1).max():>12.1f}{test[1:].mean(axis=1).max():>8.1f}",
        f"{'worst of the others':<28}{validation[-1][1:].mean(axis=1).min():>12.1f}{test[1:].mean(axis=1).min():>8.1f}",
    ]
    for row, what in enumerate(("deviation between seeds", "deviation between structures")):
        lines.append(f"{what:<28}{spread(validation[-1])[row]:>12.1f}{spread(test)[row]:>8.1f}")
    lines += ["", "Kendall's tau of one seed's validation score with the other seeds' mean score at the end:"]
    for epoch in (*(epoch for epoch in EARLY_EPOCHS if epoch < epochs), epochs):
        early = validation[epoch - 1]
        lines.append(
            f"{f'after epoch {epoch}':<28}{agreement(early, validation[-1]):>12.2f}{agreement(early, test):>8.2f}"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure how well short trainings rank structures; started again after a kill, it resumes."""
    parser = command_parser("studies.ranking.early_epochs", main.__doc__, "--dataset gtea --split 1 --output ranking")
    Study.add_arguments(parser)
    study = Study.from_arguments(parser.parse_args())
    print(report(study.run(), study.seeds))


if __name__ == "__main__":
    run_command(main)
