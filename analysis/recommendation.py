"""The structure that a run recommends: the best on videos held out of the training splits, ``hand`` among them.

The test videos have no say in it, so the test scores of the recommended structure are not inflated by the selection.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.final import aggregate, common_trainings, read_runs, read_structure_of
from common.bad_input import BadInput
from common.read_file import read_json
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
        """None until all trainings of the choice are done.

        Args:
            run: the folder of a run, whose ``pipeline.json`` has been checked if there is one.

        Raises:
            BadInput: a training is damaged, or missing.
        """
        state, folder = run / "pipeline.json", run / "choice"
        if not state.exists() or not read_json(state)["steps"].get("choice", {}).get("done"):
            return None
        runs = common_trainings(read_runs(folder))
        if not all(runs.values()):
            raise BadInput(f"{folder}: trainings of the choice are missing; restore the folder")
        rows = aggregate(runs)
        return cls(folder, max(rows, key=lambda name: rows[name]["mean"]["mean"]), rows)

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
