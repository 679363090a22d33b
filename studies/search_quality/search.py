"""One search: a searcher proposes, evaluations answer, the budget ends it; its winner is a structure file."""

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
from studies.search_quality.judgement import Judge
from studies.search_quality.searchers import SEARCHERS, genetic_search
from studies.search_quality.strategy_names import HAND


@dataclass(frozen=True, order=True)
class Place:
    """Which search: its results lie in folders of these names."""

    dataset: str
    strategy: str
    split: int
    seed: int

    def file(self, output: Path) -> Path:
        """Where the winner is kept."""
        return output / "searches" / self.dataset / self.strategy / f"split{self.split}" / f"seed{self.seed}.json"

    def training_folder(self, output: Path) -> Path:
        """Where a search that is one training keeps it."""
        return output / "training" / self.dataset / self.strategy / f"split{self.split}" / f"seed{self.seed}"

    def final_folder(self, output: Path, structure: Structure, seed: int) -> Path:
        """Where a final training is kept: searches with the same winner share it."""
        name = hashlib.sha256(str(structure).encode()).hexdigest()[:12]
        return output / "final" / self.dataset / f"split{self.split}" / name / f"seed{seed}"


@dataclass(frozen=True)
class Winner:
    """What a search found, and what it took."""

    structure: Structure
    epochs: int | None
    """Trained in all; None if unknown."""
    seconds: float | None
    """Of all its evaluations, also of those that another search had made before; None if unknown."""
    objective: float | None = None
    """On the validation videos, by which a user would choose among searches; None if unknown."""

    def write(self, path: Path) -> None:
        """Keep it as a structure file."""
        write_structure(self.structure, path, about=self.about())

    def after(self, start: Winner) -> Winner:
        """The same with the cost of both, where its search has started from what another had found."""
        epochs = None if self.epochs is None or start.epochs is None else start.epochs + self.epochs
        seconds = None if self.seconds is None or start.seconds is None else round(start.seconds + self.seconds, 3)
        return replace(self, epochs=epochs, seconds=seconds)

    def about(self) -> dict[str, float | None]:
        """What it took and how good it seemed, as JSON content."""
        return {"epochs": self.epochs, "seconds": self.seconds, "objective": self.objective}

    @classmethod
    def read(cls, source: str | Path, network: Network) -> Winner:
        """The winner in a structure file of any dialect, or ``hand``, which took nothing.

        What the search took and saw stands in the file's ``about``, if anywhere.

        Raises:
            BadInput: the file cannot be read, or is no structure of that network.
        """
        structure = read_structure(source, network)
        if source == HAND:
            return cls(structure, 0, 0.0)
        about: Any = read_json(Path(source)).get("about")
        told = (about.get(name) if isinstance(about, dict) else None for name in ("epochs", "seconds", "objective"))
        epochs, seconds, objective = told
        if type(epochs) not in (int, type(None)) or {type(seconds), type(objective)} - {int, float, type(None)}:
            raise BadInput(f"{source}: about: epochs, seconds and objective must be numbers")
        return cls(structure, epochs, seconds, objective)


def drawing_seed(judge: Judge) -> int:
    """The seed of a searcher: with one for all splits, each of them would evaluate the same first structures.

    Then a strategy's splits would share its luck, and their differences look surer than they are.
    """
    return zlib.crc32(f"{judge.task.name} {judge.split} {judge.settings.seed}".encode())


def run_search(strategy: str, judge: Judge, budget: int, network: Network, start: Structure | None = None) -> Winner:
    """Search until the budget is spent; of equals, the earlier wins.

    Started again after a kill, the searcher proposes the same and is answered from the evaluations that were saved. A
    structure that a searcher proposes twice is paid for twice, as NNI would train it twice.

    Args:
        budget: epochs of all evaluations together; enough for one at least.
        start: with it, the search is the genetic one, and its population begins with this structure.

    Raises:
        BadInput: the start has a dilation that is no candidate.
    """
    epochs, seed = judge.settings.epochs, judge.settings.seed
    evaluations, drawn = budget // epochs, drawing_seed(judge)
    if start is None:
        searcher = SEARCHERS[strategy](evaluations, drawn, network)
    else:
        searcher = genetic_search(evaluations, drawn, network, start)
    proposed = next(searcher)
    objectives: list[float] = []
    best, seconds = proposed, 0.0
    while True:
        judgement = judge.judge(proposed)
        if judgement.objective > max(objectives, default=-1.0):
            best = proposed
        objectives.append(judgement.objective)
        seconds += judgement.seconds
        spent = epochs * len(objectives)
        print(
            f"{judge.task.name} split {judge.split} {strategy} seed {seed}: {spent}/{budget} epochs, "
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
    return Winner(best, spent, round(seconds, 3), max(objectives))
