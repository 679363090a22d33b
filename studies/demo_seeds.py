"""The searches of ``make demo`` on its synthetic data, for several seeds of the data."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from analysis.final import aggregate, read_runs
from common.atomic_file import write_text
from common.bad_input import KnownFailure, run_command
from common.command_parser import command_parser
from nas_space.networks import find_network
from nas_space.space import DEMO
from nas_space.structure_files import read_structure

ROOT = Path(__file__).parent.parent
PHASES = {"genetic": ("global", "local", "final"), "differentiable": ("global", "final")}
"""Phases of the pipeline, by global search."""
FINAL_SEEDS = ("0", "1", "2", "3")


def run_demo(output: Path, data_seed: int, search: str) -> Path:
    """Make the data, and run or resume the pipeline on it as ``make demo`` does; returns the run's folder.

    Raises:
        KnownFailure: a command failed and has printed why.
    """
    # The pipeline writes to ./runs.
    output.mkdir(parents=True, exist_ok=True)
    root, name = output / f"data{data_seed}", f"data{data_seed}_{search}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def run(*words: str) -> None:
        if subprocess.run([sys.executable, "-m", *words], cwd=output, env=environment, check=False).returncode:
            raise KnownFailure(f"failed: python -m {' '.join(words)}")

    if not (root / "demo" / "mapping.txt").exists():
        run("experiments.demo_data", "--output", str((root / "demo").resolve()), "--seed", str(data_seed))
    options = ("--name", name, "--global-search", search, "--phases", ",".join(PHASES[search]))
    run(
        *("experiments.pipeline", "--dataset", "demo", "--data-root", str(root.resolve())),
        *(*options, "--seeds", *FINAL_SEEDS),
    )
    return output / "runs" / name


def rows_of(run: Path, data_seed: int, search: str) -> Iterator[dict[str, Any]]:
    """One row per structure: its final trainings on the test videos, in the mean of the five metrics."""
    for structure, row in aggregate(read_runs(run / "final")).items():
        better = row.get("better_than_hand", {})
        found = "hand" if structure == "hand" else run / "split1" / f"{structure}.json"
        yield {
            "data_seed": data_seed,
            "search": search,
            "structure": structure,
            "trainings": row["trainings"],
            "mean": round(row["mean"]["mean"], 2),
            "std": round(row["mean"]["std"], 2),
            "better_than_hand": round(better["mean"], 2) if better else "",
            "standard_error": round(better["standard_error"], 2) if better else "",
            "dilations": "" if structure == "hand" else str(read_structure(found, find_network(DEMO))),
        }


def main() -> None:
    """Run the demo with several seeds of its data, and write one row per structure to OUTPUT/demo_seeds.csv."""
    parser = command_parser("studies.demo_seeds", main.__doc__, "--output runs/demo_seeds")
    parser.add_argument("--output", type=Path, required=True, help="folder for data, runs and the table")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4], help="of the data (default: 0 to 4)")
    parser.add_argument("--search", choices=PHASES, nargs="+", default=["genetic"], help="(default: genetic)")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for search in arguments.search:
        for data_seed in arguments.seeds:
            rows += rows_of(run_demo(arguments.output, data_seed, search), data_seed, search)
            text = io.StringIO()
            writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
            write_text(arguments.output / "demo_seeds.csv", text.getvalue())
    print(arguments.output / "demo_seeds.csv")


if __name__ == "__main__":
    run_command(main)
