"""The local search in one process, without NNI: the same iterations as the experiments run, one chain, in a loop."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from nas_space.atomic_file import write_json
from nas_space.bad_input import BadInput, run_command
from nas_space.branches import Branching, next_structure
from nas_space.read_file import read_json
from nas_space.shape import MSTCNShape
from nas_space.structure import Structure
from nas_space.structure_files import read_structure, write_structure
from trials.checkpoint import versions
from trials.data_arguments import SEARCH_FRACTION, add_dataset_arguments, add_holdout_arguments, split_number
from trials.local_iteration import EPOCHS_PER_ITERATION, LocalSearch, add_local_arguments
from trials.metrics import objective_value
from trials.training import find_device, telling_full_memory
from trials.training_arguments import add_training_arguments


@telling_full_memory()
def main() -> None:
    """Refine every dilation of a structure; killed and started again with the same --output, it goes on."""
    parser = argparse.ArgumentParser(
        prog="python -m trials.local_search",
        description=main.__doc__,
        epilog="example: python -m trials.local_search --dataset gtea --split 1 --structure hand --output runs/local",
    )
    parser.add_argument("--split", required=True, help="number of a split")
    parser.add_argument("--structure", required=True, help="where to start: a structure file of any dialect, or 'hand'")
    parser.add_argument("--iterations", type=int, default=10, help="of --epochs each (default: %(default)s)")
    parser.add_argument("--output", type=Path, required=True, help="folder for best.json, local.json and checkpoints")
    MSTCNShape.add_arguments(parser)
    Branching.add_arguments(parser)
    add_local_arguments(parser)
    add_dataset_arguments(parser)
    add_holdout_arguments(parser, fraction=SEARCH_FRACTION)
    add_training_arguments(parser, epochs=EPOCHS_PER_ITERATION)
    arguments = parser.parse_args()
    if arguments.iterations < 1:
        raise BadInput(f"--iterations must be at least 1, not {arguments.iterations}")
    branching = Branching.from_arguments(arguments)
    structure = read_structure(arguments.structure, MSTCNShape.from_arguments(arguments))
    branching.check(structure)
    search = LocalSearch.from_arguments(arguments, split_number(arguments.split), branching)
    device = find_device(arguments.device)

    history = _History(arguments.output, _describe(search, structure, arguments))
    if history.rows:
        print(f"{arguments.output}: resumed after iteration {len(history.rows)}", file=sys.stderr)
        structure = Structure.from_labels(history.rows[-1]["next"], structure.shape)
    for iteration in tqdm(range(len(history.rows), arguments.iterations), unit="iteration", disable=None):
        epochs: list[dict[str, float]] = []
        probabilities = search.train(structure, iteration, arguments.output, device, epochs.append)
        after = next_structure(structure, branching, probabilities)
        history.append(
            iteration=iteration,
            structure=structure.by_label(),
            probabilities=probabilities,
            epochs=epochs,
            next=after.by_label(),
        )
        moved = sum(old != new for old, new in zip(structure.dilations, after.dilations, strict=True))
        value = objective_value(epochs[-1], arguments.objective)
        print(f"iteration {iteration + 1}: {arguments.objective} {value:.2f}, {moved} moved: {after}", file=sys.stderr)
        structure = after
    write_structure(structure, arguments.output / "best.json", about={"metrics": history.rows[-1]["epochs"][-1]})
    print(arguments.output / "best.json")


class _History:
    """The iterations that are done, in local.json."""

    def __init__(self, output: Path, description: dict[str, Any]) -> None:
        self.path = output / "local.json"
        self.description = description
        self.rows: list[dict[str, Any]] = []
        if self.path.exists():
            try:
                content = read_json(self.path)
                same, self.rows = content["search"] == description, content["iterations"]
                for index, row in enumerate(self.rows if same else []):
                    Structure.from_labels(row["next"], MSTCNShape.of_labels(description["start"]))
                    if row["iteration"] != index or not isinstance(row["epochs"][-1], dict):
                        raise ValueError("an iteration is missing")
            except (ValueError, LookupError, TypeError):
                raise BadInput(f"{self.path}: damaged; choose another --output") from None
            if not same:
                raise BadInput(f"{output}: holds a local search with other settings; choose another --output")

    def append(self, **row: Any) -> None:
        self.rows.append(row)
        content = {"search": self.description, "iterations": self.rows, "versions": versions()}
        write_json(self.path, content)


def _describe(search: LocalSearch, start: Structure, arguments: argparse.Namespace) -> dict[str, Any]:
    """What makes two local searches the same, as JSON content."""
    return {
        **search.task.describe(),
        "split": split_number(arguments.split),
        "start": start.by_label(),
        "settings": search.settings.describe(),
        "branching": search.branching.describe(),
        "inner_activation": search.inner_activation,
        "train_videos": list(search.train_videos),
        "validation_videos": list(search.validation_videos),
    }


if __name__ == "__main__":
    run_command(main)
