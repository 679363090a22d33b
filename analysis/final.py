"""The final trainings of an experiment as one table: mean and standard deviation over splits and seeds."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from nas_space.bad_input import BadInput, run_command
from trials.metrics import METRICS

Runs = dict[str, dict[tuple[int, int], dict[str, float]]]
"""Test metrics by structure, then by split and seed."""


def read_runs(folder: Path) -> Runs:
    """The finished trainings in ``folder/STRUCTURE/splitK/seedS/metrics.json``.

    Raises:
        BadInput: there are none, or one is damaged.
    """
    runs: Runs = defaultdict(dict)
    for path in sorted(folder.glob("*/split*/seed*/metrics.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            place = content["run"]["split"], content["run"]["settings"]["seed"]
            runs[path.parts[-4]][place] = {name: float(content["test"][name]) for name in METRICS}
        except (ValueError, KeyError, TypeError):
            raise BadInput(f"{path}: damaged, or not of a final training") from None
    if not runs:
        raise BadInput(f"{folder}: no finished trainings (*/split*/seed*/metrics.json)")
    return dict(runs)


def aggregate(runs: Runs) -> dict[str, dict[str, Any]]:
    """For each structure the number of trainings, and mean and sample standard deviation of each metric over them."""
    rows: dict[str, dict[str, Any]] = {}
    for structure, cells in runs.items():
        values = {name: [cell[name] for cell in cells.values()] for name in METRICS}
        values["mean"] = [mean(cell[name] for name in METRICS) for cell in cells.values()]
        rows[structure] = {"trainings": len(cells)}
        for name, column in values.items():
            rows[structure][name] = {"mean": mean(column), "std": stdev(column) if len(column) > 1 else None}
    return rows


def final_table(rows: dict[str, dict[str, Any]]) -> str:
    """Mean and standard deviation as text, one structure a line; ``mean`` is that of the five metrics."""
    columns = (*METRICS, "mean")
    width = max(len(name) for name in rows)
    lines = [" " * width + f"{'n':>4}" + "".join(f"{name:>13}" for name in columns)]
    for name, row in rows.items():
        cells = []
        for column in columns:
            spread = "" if row[column]["std"] is None else f" ±{row[column]['std']:4.1f}"
            cells.append(f"{row[column]['mean']:.1f}{spread}")
        lines.append(f"{name:<{width}}{row['trainings']:>4}" + "".join(f"{cell:>13}" for cell in cells))
    return "\n".join(lines)


def main() -> None:
    """Print mean and standard deviation over splits and seeds of each structure's final trainings."""
    parser = argparse.ArgumentParser(
        prog="python -m analysis.final",
        description=main.__doc__,
        epilog="example: python -m analysis.final runs/gtea_final",
    )
    parser.add_argument("folder", type=Path, help="the --output of the final trainings")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    rows = aggregate(read_runs(arguments.folder))
    print(json.dumps(rows, indent=2) if arguments.json else final_table(rows))


if __name__ == "__main__":
    run_command(main)
