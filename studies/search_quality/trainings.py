"""The final trainings of a comparison: those in its folder, and those that its CSV file brings from another machine."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from common.bad_input import BadInput
from common.read_file import read_json, read_text
from nas_space.network import Network
from nas_space.networks import network_from_json
from nas_space.networks.ms_tcn import EARLIER
from nas_space.structure import Structure
from studies.search_quality.search import Place, Winner
from trials.training.metrics import METRICS, read_metrics

TABLE = "trainings.csv"


@dataclass(frozen=True)
class Cell:
    """One final training of the winner of one search."""

    place: Place
    final_seed: int
    winner: Winner
    metrics: dict[str, float]
    """On the test videos."""

    @property
    def mean(self) -> float:
        """Of the five metrics."""
        return mean(self.metrics[name] for name in METRICS)

    def describe(self) -> dict[str, Any]:
        """As a line of a CSV file."""
        place, winner = self.place, self.winner
        about = {"dataset": place.dataset, "strategy": place.strategy, "split": place.split, "search_seed": place.seed}
        searched = {f"search_{name}": value for name, value in winner.about().items()}
        metrics = {**self.metrics, "mean": self.mean}
        return {**about, "final_seed": self.final_seed, **metrics, **searched, "structure": str(winner.structure)}

    @classmethod
    def read(cls, line: dict[str, str], network: Network) -> Cell:
        """From such a line. Raises BadInput, KeyError, TypeError or ValueError for what is none."""
        place = Place(line["dataset"], line["strategy"], int(line["split"]), int(line["search_seed"]))
        epochs, seconds, objective = (line[f"search_{name}"] for name in ("epochs", "seconds", "objective"))
        winner = Winner(
            Structure(tuple(int(word) for word in line["structure"].replace("|", " ").split()), network),
            int(epochs) if epochs else None,
            float(seconds) if seconds else None,
            float(objective) if objective else None,
        )
        metrics = read_metrics({name: float(line[name]) for name in METRICS})
        return cls(place, int(line["final_seed"]), winner, metrics)


def read_rules(output: Path) -> dict[str, Any]:
    """What the searches of a comparison have in common. Raises BadInput where the file is missing or damaged."""
    path = output / "rules.json"
    rules = read_json(path)
    try:
        if "network" not in rules:  # of an earlier version, all of whose kernels were of one size
            size = {name: rules.pop(name) for name in EARLIER if name != "kernel_size"}
            rules["network"] = network_from_json(size).to_json()
        network_from_json(rules["network"])
    except (BadInput, KeyError, TypeError, AttributeError):
        raise BadInput(f"{path}: damaged; start the comparison again to write it anew") from None
    return dict(rules)


def read_network(output: Path) -> Network:
    """The network of a comparison. Raises BadInput where its rules are missing or damaged."""
    return network_from_json(read_rules(output)["network"])


def read_cells(output: Path) -> list[Cell]:
    """All final trainings of a comparison that are finished: in the order of data sets, strategies, splits and seeds.

    Of a training that is in the folder and in the CSV file, the folder's counts.

    Raises:
        BadInput: a file is damaged.
    """
    network = read_network(output)
    winners: dict[Place, Winner] = {}
    # By data set, split and structure: searches that found the same share its trainings.
    trained: dict[tuple[str, int, Structure], dict[int, dict[str, float]]] = defaultdict(dict)
    for cell in _in_table(output / TABLE, network):
        place, winner = cell.place, cell.winner
        winners[place] = winner
        trained[place.dataset, place.split, winner.structure][cell.final_seed] = cell.metrics
    for path in output.glob("searches/*/*/split*/seed*.json"):
        dataset, strategy, split, _ = path.parts[-4:]
        place = Place(dataset, strategy, int(split.removeprefix("split")), int(path.stem.removeprefix("seed")))
        winners[place] = winner = Winner.read(path, network)
        for file in place.final_folder(output, winner.structure, 0).parent.glob("seed*/metrics.json"):
            try:
                metrics = read_metrics(read_json(file)["test"])
            except (ValueError, KeyError, TypeError):
                raise BadInput(f"{file}: damaged, or not of a training; remove its folder") from None
            seed = int(file.parent.name.removeprefix("seed"))
            trained[place.dataset, place.split, winner.structure][seed] = metrics
    return [
        Cell(place, seed, winner, metrics)
        for place, winner in sorted(winners.items(), key=lambda item: item[0])
        for seed, metrics in sorted(trained[place.dataset, place.split, winner.structure].items())
    ]


def _in_table(path: Path, network: Network) -> list[Cell]:
    if not path.exists():
        return []
    cells = []
    for number, line in enumerate(csv.DictReader(read_text(path).splitlines()), start=2):
        try:
            cells.append(Cell.read(line, network))
        except (BadInput, KeyError, TypeError, ValueError, AttributeError) as fault:
            raise BadInput(f"{path}: line {number}: not a final training ({fault}); remove the line") from None
    return cells
