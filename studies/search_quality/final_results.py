"""The final trainings of a comparison: those in its folder, and those in its CSV file, from another machine."""

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
from studies.search_quality.search import SearchKey, SearchResult
from trials.training.metrics import METRICS, read_metrics

TABLE = "trainings.csv"


@dataclass(frozen=True)
class FinalResult:
    """One final training of the structure that a search found."""

    key: SearchKey
    final_seed: int
    search: SearchResult
    metrics: dict[str, float]
    """On the videos that ``scored_on`` names."""

    @property
    def mean(self) -> float:
        """Of the five metrics."""
        return mean(self.metrics[name] for name in METRICS)

    def describe(self) -> dict[str, Any]:
        """As a row of a CSV file."""
        key = self.key
        about = {"dataset": key.dataset, "strategy": key.strategy, "split": key.split, "search_seed": key.seed}
        searched = {f"search_{name}": value for name, value in self.search.about().items()}
        metrics = {**self.metrics, "mean": self.mean}
        return {
            **about,
            "final_seed": self.final_seed,
            **metrics,
            **searched,
            "structure": to_text(self.search.structure),
        }

    @classmethod
    def read(cls, line: dict[str, str], network: Network) -> FinalResult:
        """From such a row. Raises BadInput, KeyError, TypeError or ValueError for anything else."""
        key = SearchKey(line["dataset"], line["strategy"], int(line["split"]), int(line["search_seed"]))
        epochs, seconds, objective = (line[f"search_{name}"] for name in ("epochs", "seconds", "objective"))
        search = SearchResult(
            of_text(line["structure"], network),
            int(epochs) if epochs else None,
            float(seconds) if seconds else None,
            float(objective) if objective else None,
        )
        metrics = read_metrics({name: float(line[name]) for name in METRICS})
        return cls(key, int(line["final_seed"]), search, metrics)


def to_text(structure: Structure) -> str:
    """Dilations block by block; of several branches in a layer, ``90:0.3+100:0.5+110:0.2``: with their shares."""
    if not structure.branches:
        return str(structure)
    return " ".join("+".join(f"{dilation}:{share}" for dilation, share in layer) for layer in structure.branches)


def of_text(text: str, network: Network) -> Structure:
    """What ``to_text`` wrote. Raises BadInput or ValueError for anything else."""
    layers: list[Any] = []
    for word in text.replace("|", " ").split():
        branches = [branch.split(":") for branch in word.split("+")]
        layers.append([[int(d), float(share)] for d, share in branches] if ":" in word else int(word))
    return Structure.from_labels(dict(zip(network.paths, layers, strict=True)), network)


def read_rules(output: Path) -> dict[str, Any]:
    """The settings that all searches of a comparison share. Raises BadInput where the file is missing or damaged."""
    path = output / "rules.json"
    rules = read_json(path)
    try:
        if "network" not in rules:  # earlier versions, whose kernels all had one size
            size = {name: rules.pop(name) for name in EARLIER if name != "kernel_size"}
            rules["network"] = network_from_json(size).to_json()
        network_from_json(rules["network"])
    except (BadInput, KeyError, TypeError, AttributeError):
        raise BadInput(f"{path}: damaged; start the comparison again to rewrite it") from None
    return dict(rules)


def scored_on(output: Path) -> str:
    """The videos that the final trainings of a comparison are scored on: ``test`` or ``validation``."""
    return str(read_rules(output).get("score_on", "test"))


def read_network(output: Path) -> Network:
    """The network of a comparison. Raises BadInput where its rules are missing or damaged."""
    return network_from_json(read_rules(output)["network"])


def read_final_results(output: Path) -> list[FinalResult]:
    """All finished final trainings of a comparison, ordered by data set, strategy, split and seed.

    Where a training is both in the folder and in the CSV file, the folder has precedence.

    Raises:
        BadInput: a file is damaged.
    """
    network = read_network(output)
    results: dict[SearchKey, SearchResult] = {}
    # By data set, split and structure: searches that found the same structure share its trainings.
    trained: dict[tuple[str, int, Structure], dict[int, dict[str, float]]] = defaultdict(dict)
    for final in _in_table(output / TABLE, network):
        key = final.key
        results[key] = final.search
        trained[key.dataset, key.split, final.search.structure][final.final_seed] = final.metrics
    for path in output.glob("searches/*/*/split*/seed*.json"):
        dataset, strategy, split, _ = path.parts[-4:]
        key = SearchKey(dataset, strategy, int(split.removeprefix("split")), int(path.stem.removeprefix("seed")))
        results[key] = result = SearchResult.read(path, network)
        for file in key.final_folder(output, result.structure, 0).parent.glob("seed*/metrics.json"):
            try:
                metrics = read_metrics(read_json(file)["test"])
            except (ValueError, KeyError, TypeError):
                raise BadInput(f"{file}: damaged, or not of a training; remove its folder") from None
            seed = int(file.parent.name.removeprefix("seed"))
            trained[key.dataset, key.split, result.structure][seed] = metrics
    return [
        FinalResult(key, seed, result, metrics)
        for key, result in sorted(results.items(), key=lambda item: item[0])
        for seed, metrics in sorted(trained[key.dataset, key.split, result.structure].items())
    ]


def _in_table(path: Path, network: Network) -> list[FinalResult]:
    if not path.exists():
        return []
    finals = []
    for number, line in enumerate(csv.DictReader(read_text(path).splitlines()), start=2):
        try:
            finals.append(FinalResult.read(line, network))
        except (BadInput, KeyError, TypeError, ValueError, AttributeError) as fault:
            raise BadInput(f"{path}: line {number}: not a final training ({fault}); remove the line") from None
    return finals
