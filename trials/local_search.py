"""The local search in one process, without NNI: one chain of the same iterations as in the experiments."""

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
from common.command_parser import command_parser
from common.read_file import read_json
from nas_space.branching import Branching, keep_branches, next_structure
from nas_space.budget import Budget
from nas_space.networks.ms_tcn import same_settings
from nas_space.structure import Structure
from nas_space.structure_files import read_single, write_structure
from trials.data.arguments import Task, parse_with_dataset, split_number
from trials.data.fingerprint import DataRecord
from trials.training.checkpoint import versions
from trials.training.device import find_device, handle_out_of_memory
from trials.training.local_iteration import BranchedTraining
from trials.training.metrics import objective_value, read_metrics
from trials.trial_arguments import (
    EPOCHS_PER_ITERATION,
    add_local_arguments,
    add_run_arguments,
    add_split_argument,
)

ITERATIONS = 10


@dataclass(frozen=True)
class LocalSearchResult:
    """The result of a local search."""

    structure: Structure
    metrics: dict[str, float]
    """Of the network with the branches of the last iteration, on the validation videos."""
    epochs: int
    """Of all iterations."""
    seconds: float
    """Of all iterations, also of those before an interruption."""
    multiple: Structure
    """What the last iteration trained, with the branches and what they have learned (rf-multiple)."""


@dataclass(frozen=True)
class LocalSearch:
    """A local search: a chain of iterations from an initial structure."""

    training: BranchedTraining
    start: Structure
    iterations: int

    def describe(self) -> dict[str, Any]:
        """What makes two local searches the same, as JSON content; their numbers of iterations may differ."""
        return {
            **self.training.describe(),
            "network": self.start.network.to_json(),
            "start": self.start.by_label(),
            "branching": self.training.branching.describe(),
            "inner_activation": self.training.inner_activation,
        }

    def run(
        self, folder: Path, device: torch.device, after_iteration: Callable[[dict[str, Any]], object] = lambda _: None
    ) -> LocalSearchResult:
        """Search, or resume the local search in ``folder``, with the same numbers on a CPU.

        Args:
            after_iteration: called with each new row of ``local.json``.

        Raises:
            BadInput: the data is faulty, or ``folder`` holds a local search with another description.
            NonFiniteLoss: the training failed.
        """
        record, path = self.training.data_record(folder), folder / "local.json"
        rows, structure = self._finished_iterations(path, record), self.start
        if rows:
            print(f"{folder}: resumed after iteration {len(rows)}", file=sys.stderr)
            structure = Structure.from_labels(rows[-1]["next"], structure.network)
        for iteration in range(len(rows), self.iterations):
            started = time.monotonic()
            epochs: list[dict[str, float]] = []
            earlier = [Structure.from_labels(row["structure"], structure.network) for row in rows]
            probabilities = self.training.train(
                structure, iteration, folder, device, epochs.append, earlier=earlier, record=record
            )
            after = next_structure(structure, self.training.branching, probabilities)
            row = {
                "iteration": iteration,
                "structure": structure.by_label(),
                "probabilities": probabilities,
                "epochs": epochs,
                "next": after.by_label(),
                "seconds": round(time.monotonic() - started, 3),
            }
            rows.append(row)
            content = {"search": self.describe(), "iterations": rows, "versions": versions()}
            write_json(path, {**content, "data": record.files})
            structure = after
            after_iteration(row)
        epochs_trained = sum(len(row["epochs"]) for row in rows)
        seconds = round(sum(row["seconds"] for row in rows), 3)
        trained = Structure.from_labels(rows[-1]["structure"], structure.network)
        multiple = keep_branches(trained, self.training.branching, rows[-1]["probabilities"])
        return LocalSearchResult(structure, rows[-1]["epochs"][-1], epochs_trained, seconds, multiple)

    def _finished_iterations(self, path: Path, record: DataRecord) -> list[dict[str, Any]]:
        """The rows of ``local.json``. Raises BadInput if it is damaged or of another search or data."""
        if not path.exists():
            return []
        try:
            content = read_json(path)
            same, rows = same_settings(content["search"], self.describe()), list(content["iterations"])
            for index, row in enumerate(rows if same else []):
                for name in ("structure", "next"):
                    Structure.from_labels(row[name], self.start.network)
                read_metrics(row["epochs"][-1])
                if row["iteration"] != index or not math.isfinite(row["seconds"]):
                    raise ValueError("an iteration is missing")
        except (ValueError, LookupError, TypeError):
            raise BadInput(f"{path}: damaged; choose another --output") from None
        other = f"{path.parent}: holds a local search with other settings; choose another --output"
        # The next iteration, if there is one, reads what is not known yet.
        record.go_on(content, "search", self.describe(), path, other, unread=len(rows) >= self.iterations)
        return rows


def parse_arguments(words: Sequence[str] | None = None) -> tuple[argparse.Namespace, str]:
    """The options, with the defaults of the data set, and a line of these; None: those of this process."""
    parser = command_parser(
        "trials.local_search", main.__doc__, "--dataset gtea --split 1 --structure hand --output runs/local"
    )
    add_split_argument(parser)
    parser.add_argument("--structure", required=True, help="where to start: a structure file of any dialect, or 'hand'")
    parser.add_argument("--iterations", type=int, default=ITERATIONS, help="of --epochs each (default: %(default)s)")
    parser.add_argument(
        "--output", type=Path, required=True, help="folder for best.json, multiple.json, local.json and checkpoints"
    )
    Branching.add_arguments(parser)
    Budget.add_arguments(parser)
    add_local_arguments(parser)
    add_run_arguments(parser, EPOCHS_PER_ITERATION, decay_epochs=(), averages=False)
    return parse_with_dataset(parser, "local_search", words)


@handle_out_of_memory()
def main() -> None:
    """Refine every dilation of a structure; killed and started again with the same --output, it resumes."""
    arguments, defaults = parse_arguments()
    if arguments.iterations < 1:
        raise BadInput(f"--iterations must be at least 1, not {arguments.iterations}")
    budget = Budget.from_arguments(arguments, Task.from_arguments(arguments).frames_per_second)
    branching = Branching.from_arguments(arguments, budget)
    whole = read_single(arguments.structure, arguments.network)
    start = branching.cut_off(whole)
    branching.check(start)
    training = BranchedTraining.from_arguments(arguments, split_number(arguments.split), branching)
    device = find_device(arguments.device)
    # Nothing is said before all that may be refused.
    if defaults:
        print(defaults, file=sys.stderr)
    if start != whole:
        print(f"{arguments.structure} exceeds the limits {budget}: it is cut off to {start}", file=sys.stderr)
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

        result = LocalSearch(training, start, arguments.iterations).run(arguments.output, device, show)
    about = {"epochs": result.epochs, "seconds": result.seconds, "metrics": result.metrics}
    if not arguments.inner_activation:  # branches that are kept are a plain sum
        write_structure(result.multiple, arguments.output / "multiple.json", about=about)
    write_structure(result.structure, arguments.output / "best.json", about=about)
    print(arguments.output / "best.json")


if __name__ == "__main__":
    run_command(main)
