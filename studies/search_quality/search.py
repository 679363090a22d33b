"""One search: propose and evaluate structures until the budget is spent; its result is a structure file."""

from __future__ import annotations

import hashlib
import sys
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from common.bad_input import BadInput
from common.read_file import read_json
from nas_space.network import Network
from nas_space.structure import Structure
from nas_space.structure_files import read_structure, write_structure
from studies.search_quality.evaluator import Evaluator
from studies.search_quality.searchers import SEARCHERS, genetic_search
from studies.search_quality.strategy_names import HAND


@dataclass(frozen=True, order=True)
class SearchKey:
    """Identifies a search; its results lie in folders of these names."""

    dataset: str
    strategy: str
    split: int
    seed: int

    def file(self, output: Path) -> Path:
        """The structure file of its result."""
        return output / "searches" / self.dataset / self.strategy / f"split{self.split}" / f"seed{self.seed}.json"

    def training_folder(self, output: Path) -> Path:
        """The folder of a search that is one training."""
        return output / "training" / self.dataset / self.strategy / f"split{self.split}" / f"seed{self.seed}"

    def final_folder(self, output: Path, structure: Structure, seed: int) -> Path:
        """The folder of a final training: searches that found the same structure share it."""
        what = str(structure.to_labels() if structure.branches else structure)
        name = hashlib.sha256(what.encode()).hexdigest()[:12]
        return output / "final" / self.dataset / f"split{self.split}" / name / f"seed{seed}"


@dataclass(frozen=True)
class SearchResult:
    """The structure that a search found, and its cost."""

    structure: Structure
    epochs: int | None
    """Total training epochs; None if unknown."""
    seconds: float | None
    """Of all its evaluations, including those that another search had already run; None if unknown."""
    objective: float | None = None
    """On the validation videos, by which a user would choose among searches; None if unknown."""

    def write(self, path: Path) -> None:
        """Write it as a structure file."""
        write_structure(self.structure, path, about=self.about())

    def after(self, start: SearchResult) -> SearchResult:
        """The same, with the cost of the search that found its start added."""
        epochs = None if self.epochs is None or start.epochs is None else start.epochs + self.epochs
        seconds = None if self.seconds is None or start.seconds is None else round(start.seconds + self.seconds, 3)
        return replace(self, epochs=epochs, seconds=seconds)

    def about(self) -> dict[str, float | None]:
        """Its cost and objective, as JSON content."""
        return {"epochs": self.epochs, "seconds": self.seconds, "objective": self.objective}

    @classmethod
    def read(cls, source: str | Path, network: Network) -> SearchResult:
        """The result in a structure file of any dialect, or ``hand``, which cost nothing.

        Cost and objective are read from the file's ``about``, if it has one.

        Raises:
            BadInput: the file cannot be read, or is no structure of that network.
        """
        structure = read_structure(source, network)
        if source == HAND:
            return cls(structure, 0, 0.0)
        about: Any = read_json(Path(source)).get("about")
        names = ("epochs", "seconds", "objective")
        epochs, seconds, objective = (about.get(name) if isinstance(about, dict) else None for name in names)
        if type(epochs) not in (int, type(None)) or {type(seconds), type(objective)} - {int, float, type(None)}:
            raise BadInput(f"{source}: about: epochs, seconds and objective must be numbers")
        return cls(structure, epochs, seconds, objective)


def searcher_seed(evaluator: Evaluator) -> int:
    """The seed of a searcher. It differs between splits: with the same first structures, they would not be independent
    samples, and confidence intervals over splits would be too narrow.
    """
    return zlib.crc32(f"{evaluator.task.name} {evaluator.split} {evaluator.settings.seed}".encode())


def run_search(
    strategy: str, evaluator: Evaluator, budget: int, network: Network, start: Structure | None = None
) -> SearchResult:
    """Search until the budget is spent; of equals, the earlier wins.

    Restarted after a kill, the searcher proposes the same structures, whose evaluations are cached. A structure that is
    proposed twice counts twice, as NNI would train it twice.

    Args:
        budget: total epochs of all evaluations; enough for at least one.
        start: initial structure of a genetic search; with it, ``strategy`` only names the search in messages.

    Raises:
        BadInput: the start has a dilation that is no candidate.
    """
    epochs, seed = evaluator.settings.epochs, evaluator.settings.seed
    evaluations, own_seed = budget // epochs, searcher_seed(evaluator)
    if start is None:
        searcher = SEARCHERS[strategy](evaluations, own_seed, network)
    else:
        searcher = genetic_search(evaluations, own_seed, network, start)
    proposed = next(searcher)
    objectives: list[float] = []
    best, seconds = proposed, 0.0
    while True:
        training = evaluator.evaluate(proposed)
        if training.objective > max(objectives, default=-1.0):
            best = proposed
        objectives.append(training.objective)
        seconds += training.seconds
        spent = epochs * len(objectives)
        print(
            f"{evaluator.task.name} split {evaluator.split} {strategy} seed {seed}: {spent}/{budget} epochs, "
            f"{objectives[-1]:.1f}, best {max(objectives):.1f}",
            file=sys.stderr,
            flush=True,
        )
        if spent + epochs > budget:
            break
        try:
            proposed = searcher.send(objectives[-1])
        except StopIteration:  # a tiny space has no other structure
            break
    return SearchResult(best, spent, round(seconds, 3), max(objectives))
