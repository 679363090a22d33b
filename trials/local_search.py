"""The local search in one process, without NNI: the same iterations as the experiments run, one chain, in a loop."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from common.atomic_file import write_json
from common.bad_input import BadInput, run_command
from common.read_file import read_json
from nas_space.branching import Branching, next_structure
from nas_space.network import Network
from nas_space.networks import add_network_argument
from nas_space.networks.ms_tcn import same_settings
from nas_space.structure import Structure
from nas_space.structure_files import read_structure, write_structure
from trials.data.arguments import (
    SEARCH_FRACTION,
    add_dataset_arguments,
    add_holdout_arguments,
    parse_with_dataset,
    split_number,
)
from trials.data.fingerprint import DataRecord
from trials.local_arguments import EPOCHS_PER_ITERATION, add_local_arguments
from trials.training.arguments import add_training_arguments
from trials.training.checkpoint import versions
from trials.training.local_iteration import LocalSearch
from trials.training.metrics import objective_value, read_metrics
from trials.training.training import find_device, telling_full_memory

ITERATIONS = 10


@dataclass(frozen=True)
class Refined:
    """What a chain has come to."""

    structure: Structure
    metrics: dict[str, float]
    """Of the network with the branches of the last iteration, on the validation videos."""
    epochs: int
    """Of all iterations."""
    seconds: float
    """Of all iterations, also of those before an interruption."""


@dataclass(frozen=True)
class Chain:
    """One local search from its start structure to its last iteration."""

    search: LocalSearch
    split: int
    start: Structure
    iterations: int

    def describe(self) -> dict[str, Any]:
        """What makes two local searches the same, as JSON content; one may go further than the other."""
        search = self.search
        return {
            **search.task.describe(),
            "split": self.split,
            "network": self.start.network.to_json(),
            "start": self.start.by_label(),
            "settings": search.settings.describe(),
            "branching": search.branching.describe(),
            "inner_activation": search.inner_activation,
            "train_videos": list(search.train_videos),
            "validation_videos": list(search.validation_videos),
        }

    def run(
        self, folder: Path, device: torch.device, after_iteration: Callable[[dict[str, Any]], object] = lambda _: None
    ) -> Refined:
        """Refine, or go on with the local search that ``folder`` holds; with the same numbers on a CPU.

        Args:
            after_iteration: is given each row of ``local.json`` that is new.

        Raises:
            BadInput: the data is faulty, or ``folder`` holds a local search with another description.
            NonFiniteLoss: the training failed.
        """
        record = self.search.data_record(folder)
        history = _History(folder, self.start.network, self.describe(), record, self.iterations)
        rows, structure = history.rows, self.start
        if rows:
            print(f"{folder}: resumed after iteration {len(rows)}", file=sys.stderr)
            structure = Structure.from_labels(rows[-1]["next"], structure.network)
        for iteration in range(len(rows), self.iterations):
            begun = time.monotonic()
            epochs: list[dict[str, float]] = []
            probabilities = self.search.train(structure, iteration, folder, device, epochs.append)
            after = next_structure(structure, self.search.branching, probabilities)
            record.note()
            history.append(
                iteration=iteration,
                structure=structure.by_label(),
                probabilities=probabilities,
                epochs=epochs,
                next=after.by_label(),
                seconds=round(time.monotonic() - begun, 3),
            )
            structure = after
            after_iteration(rows[-1])
        trained = sum(len(row["epochs"]) for row in rows)
        return Refined(structure, rows[-1]["epochs"][-1], trained, round(sum(row["seconds"] for row in rows), 3))


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, with the defaults of the data set; None: those of this process."""
    parser = argparse.ArgumentParser(
        prog="python -m trials.local_search",
        description=main.__doc__,
        epilog="example: python -m trials.local_search --dataset gtea --split 1 --structure hand --output runs/local",
    )
    parser.add_argument("--split", required=True, help="number of a split")
    parser.add_argument("--structure", required=True, help="where to start: a structure file of any dialect, or 'hand'")
    parser.add_argument("--iterations", type=int, default=ITERATIONS, help="of --epochs each (default: %(default)s)")
    parser.add_argument("--output", type=Path, required=True, help="folder for best.json, local.json and checkpoints")
    add_network_argument(parser)
    Branching.add_arguments(parser)
    add_local_arguments(parser)
    add_dataset_arguments(parser)
    add_holdout_arguments(parser, fraction=SEARCH_FRACTION)
    add_training_arguments(parser, epochs=EPOCHS_PER_ITERATION, decay_epochs=())
    return parse_with_dataset(parser, "local_search", words)


@telling_full_memory()
def main() -> None:
    """Refine every dilation of a structure; killed and started again with the same --output, it goes on."""
    arguments = parse_arguments()
    if arguments.iterations < 1:
        raise BadInput(f"--iterations must be at least 1, not {arguments.iterations}")
    branching = Branching.from_arguments(arguments)
    start = read_structure(arguments.structure, arguments.network)
    branching.check(start)
    split = split_number(arguments.split)
    chain = Chain(LocalSearch.from_arguments(arguments, split, branching), split, start, arguments.iterations)
    device = find_device(arguments.device)
    with tqdm(total=arguments.iterations, unit="iteration", disable=None) as progress:

        def show(row: dict[str, Any]) -> None:
            moved = sum(dilation != row["structure"][label] for label, dilation in row["next"].items())
            value = objective_value(row["epochs"][-1], arguments.objective)
            after = Structure.from_labels(row["next"], start.network)
            progress.write(
                f"iteration {row['iteration'] + 1}: {arguments.objective} {value:.2f}, {moved} moved: {after}",
                file=sys.stderr,
            )
            progress.update(row["iteration"] + 1 - progress.n)

        refined = chain.run(arguments.output, device, show)
    about = {"epochs": refined.epochs, "seconds": refined.seconds, "metrics": refined.metrics}
    write_structure(refined.structure, arguments.output / "best.json", about=about)
    print(arguments.output / "best.json")


class _History:
    """The iterations that are done, in local.json."""

    def __init__(
        self, output: Path, network: Network, description: dict[str, Any], record: DataRecord, iterations: int
    ) -> None:
        self.path = output / "local.json"
        self.description = description
        self.record = record
        self.rows: list[dict[str, Any]] = []
        if self.path.exists():
            try:
                content = read_json(self.path)
                same, self.rows = same_settings(content["search"], description), content["iterations"]
                for index, row in enumerate(self.rows if same else []):
                    for name in ("structure", "next"):
                        Structure.from_labels(row[name], network)
                    read_metrics(row["epochs"][-1])
                    if row["iteration"] != index or not math.isfinite(row["seconds"]):
                        raise ValueError("an iteration is missing")
            except (ValueError, LookupError, TypeError):
                raise BadInput(f"{self.path}: damaged; choose another --output") from None
            other = f"{output}: holds a local search with other settings; choose another --output"
            # What is not known yet is read in the next iteration, if there is one.
            record.go_on(content, "search", description, self.path, other, unread=len(self.rows) >= iterations)

    def append(self, **row: Any) -> None:
        self.rows.append(row)
        content = {"search": self.description, "iterations": self.rows, "versions": versions()}
        write_json(self.path, {**content, "data": self.record.files})


if __name__ == "__main__":
    run_command(main)
