"""The structure that a run recommends: the best on videos held out of the training splits, ``hand`` among them.

The test videos have no say in it, so their scores of what is recommended are not too high for having been chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.final import aggregate, common_trainings, read_runs, read_structure_of
from nas_space.structure_files import write_structure


@dataclass(frozen=True)
class Recommendation:
    """What the trainings of a run's choice recommend."""

    folder: Path
    """Of these trainings."""
    name: str
    """``hand``, ``global`` or ``local``; of equals, the first."""
    rows: dict[str, dict[str, Any]]
    """Of ``analysis.final.aggregate``, from the splits and seeds that all structures were trained on."""

    @classmethod
    def of_run(cls, run: Path) -> Recommendation | None:
        """None where there are not yet two structures with trainings of the same split and seed.

        Raises:
            BadInput: a training is damaged.
        """
        folder = run / "choice"
        if not any(folder.glob("*/split*/seed*/metrics.json")):
            return None
        runs = common_trainings(read_runs(folder))
        rows = aggregate(runs) if all(runs.values()) else {}
        return cls(folder, max(rows, key=lambda name: rows[name]["mean"]["mean"]), rows) if len(rows) > 1 else None

    @property
    def sentence(self) -> str:
        """What is recommended, and why."""
        scores = ", ".join(f"{name} {row['mean']['mean']:.1f}" for name, row in self.rows.items())
        number = self.rows[self.name]["trainings"]
        trainings = f"{number} training{'s' if number > 1 else ''} of each"
        return (
            f"Recommended: {self.name}. On videos held out of the training splits, the means of the five metrics are "
            f"{scores} ({trainings}); the test videos had no say in this."
        )

    def write(self, output: Path) -> list[Path]:
        """Write its structure of each split, as ``splitK.json``; returns the files.

        Raises:
            BadInput: a training has no structure of its network.
        """
        trained = {path.parts[-3]: path for path in sorted(self.folder.glob(f"{self.name}/split*/seed*/metrics.json"))}
        files = []
        for split, path in trained.items():
            if (structure := read_structure_of(path)) is not None:
                files.append(output / f"{split}.json")
                write_structure(structure, files[-1], about={"recommended": self.name, "why": self.sentence})
        return files
