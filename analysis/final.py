"""The final trainings of an experiment as one table: mean and standard deviation over splits and seeds."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from analysis.comparison import Comparison
from common.bad_input import BadInput, run_command
from common.command_parser import command_parser
from common.read_file import read_json
from nas_space.budget import multiply_adds
from nas_space.networks import network_from_json
from nas_space.receptive_field import ReceptiveField
from nas_space.structure import Structure
from trials.training.metrics import METRICS, read_metrics

COLUMNS = (*METRICS, "mean")
"""``mean`` is that of the five metrics."""

TestMetrics = dict[tuple[int, int], dict[str, float]]
"""By split and seed."""
Runs = dict[str, TestMetrics]
"""Test metrics by structure, then by split and seed; ``hand`` comes first."""


def read_runs(folder: Path) -> Runs:
    """The finished trainings in ``folder/STRUCTURE/splitK/seedS/metrics.json``.

    Raises:
        BadInput: there are none, or one is damaged.
    """
    runs: Runs = defaultdict(dict)
    for path in sorted(folder.glob("*/split*/seed*/metrics.json")):
        content = read_json(path)
        try:
            run, metrics = content["run"], read_metrics(content["test"])
            split, seed = run["split"], run["settings"]["seed"]
            if path.parts[-3:-1] != (f"split{split}", f"seed{seed}") or type(split) is not int or type(seed) is not int:
                raise ValueError("of another folder")
        except (ValueError, KeyError, TypeError):
            raise BadInput(f"{path}: damaged, or not of the final training whose folder it is in") from None
        runs[path.parts[-4]][split, seed] = {**metrics, "mean": mean(metrics.values())}
    if not runs:
        raise BadInput(f"{folder}: no finished trainings (*/split*/seed*/metrics.json)")
    return dict(sorted(runs.items(), key=lambda item: item[0] != "hand"))


def common_trainings(runs: Runs) -> Runs:
    """The trainings of those splits and seeds that all structures have."""
    common = set.intersection(*map(set, runs.values())) if runs else set()
    return {name: {key: trainings[key] for key in trainings if key in common} for name, trainings in runs.items()}


def read_costs(folder: Path) -> dict[str, dict[str, float]]:
    """What the structures of the trainings in ``folder`` cost, each the mean over its trainings.

    ``sees``: frames of the network's receptive field; ``layers``: those that are not left out; ``multiply_adds``: of
    these layers, a frame. A structure with a training of an earlier version, which did not note its network, is left
    out.

    Raises:
        BadInput: a training has no structure of its network.
    """
    costs: dict[str, list[dict[str, float]]] = defaultdict(list)
    for path in sorted(folder.glob("*/split*/seed*/metrics.json")):
        structure = read_structure_of(path)
        if structure is not None:
            costs[path.parts[-4]].append(
                {
                    "sees": ReceptiveField.of(structure).network.frames,
                    "layers": sum(dilation > 0 for dilation in structure.dilations),
                    "multiply_adds": multiply_adds(structure),
                }
            )
    return {name: {each: mean(row[each] for row in rows) for each in rows[0]} for name, rows in costs.items()}


def read_structure_of(path: Path) -> Structure | None:
    """The structure of a training, from its ``metrics.json``; None where it is of a version that noted no network.

    Raises:
        BadInput: it has no structure of its network.
    """
    run = read_json(path)["run"]
    if "network" not in run:
        return None
    try:
        return Structure.from_paths(run["structure"], network_from_json(run["network"]))
    except (KeyError, TypeError, AttributeError, BadInput) as fault:
        raise BadInput(f"{path}: damaged: no structure of its network ({fault})") from None


def aggregate(runs: Runs, costs: Mapping[str, dict[str, float]] | None = None) -> dict[str, dict[str, Any]]:
    """For each structure the number of trainings, and mean and sample standard deviation of each metric.

    Args:
        costs: of ``read_costs``; they become the ``cost`` of the structures.
    """
    rows: dict[str, dict[str, Any]] = {}
    for structure, trainings in runs.items():
        rows[structure] = {"trainings": len(trainings)}
        if costs and structure in costs:
            rows[structure]["cost"] = costs[structure]
        for name in COLUMNS:
            column = [metrics[name] for metrics in trainings.values()]
            deviation = stdev(column) if len(column) > 1 else None
            rows[structure][name] = {"mean": mean(column), "std": deviation}
        if structure != "hand" and (samples := _differences(trainings, runs.get("hand", {}))):
            better = Comparison.of(samples)
            rows[structure]["better_than_hand"] = {
                "mean": better.difference,
                "standard_error": better.standard_error,
                "samples": better.samples,
            }
    return rows


def _differences(trainings: TestMetrics, hand: TestMetrics) -> list[float]:
    """Differences from ``hand`` in the mean of the five metrics, one sample per split.

    Trainings are paired by split and seed, and averaged over the seeds: those of one split share their test videos and,
    after a search, their structure, so they are not independent. With one split only, each seed is a sample.
    """
    by_split: dict[int, list[float]] = defaultdict(list)
    for split, seed in sorted(trainings.keys() & hand.keys()):
        by_split[split].append(trainings[split, seed]["mean"] - hand[split, seed]["mean"])
    if len(by_split) == 1:
        return next(iter(by_split.values()))
    return [mean(samples) for samples in by_split.values()]


def compared_with_hand(rows: dict[str, dict[str, Any]]) -> dict[str, Comparison]:
    """The difference of each structure from ``hand``, from the rows of ``aggregate``."""
    differences = {name: row["better_than_hand"] for name, row in rows.items() if "better_than_hand" in row}
    return {
        name: Comparison(better["mean"], better["standard_error"], better["samples"])
        for name, better in differences.items()
    }


def final_table(rows: dict[str, dict[str, Any]]) -> str:
    """Mean and standard deviation, and costs, as text, one structure per line, then each difference from ``hand``."""
    width = max(len(name) for name in rows)
    with_costs = any("cost" in row for row in rows.values())
    heads = [*COLUMNS, *(("sees (frames)", "multiply-adds") if with_costs else ())]
    lines = [" " * width + f"{'n':>4}" + "".join(f"{head:>{max(13, len(head) + 2)}}" for head in heads)]
    for name, row in rows.items():
        cells = []
        for column in COLUMNS:
            spread = "" if row[column]["std"] is None else f" ±{row[column]['std']:4.1f}"
            cells.append(f"{row[column]['mean']:.1f}{spread}")
        line = f"{name:<{width}}{row['trainings']:>4}" + "".join(f"{cell:>13}" for cell in cells)
        if with_costs:
            cost = row.get("cost")
            line += f"{'-' if cost is None else format(cost['sees'], '.0f'):>15}"
            line += f"{'-' if cost is None else format(cost['multiply_adds'], ',.0f'):>15}"
        lines.append(line)
    for name, row in rows.items():
        if "better_than_hand" in row:
            better = row["better_than_hand"]
            error = "" if better["standard_error"] is None else f" ± {better['standard_error']:.1f} (standard error)"
            lines.append(f"{name} - hand, in the mean of the five metrics: {better['mean']:+.1f}{error}")
    return "\n".join(lines)


def main() -> None:
    """Print mean and standard deviation over splits and seeds of each structure's final trainings."""
    parser = command_parser("analysis.final", main.__doc__, "runs/gtea_final")
    parser.add_argument("folder", type=Path, help="the --output of the final trainings")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    rows = aggregate(read_runs(arguments.folder), read_costs(arguments.folder))
    print(json.dumps(rows, indent=2) if arguments.json else final_table(rows))


if __name__ == "__main__":
    run_command(main)
