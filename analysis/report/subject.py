"""What a report is about: a run of the pipeline, or one search."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from analysis.final import Runs, read_runs
from analysis.report.trained import Trained
from analysis.searches import SETTINGS_FILE, Search
from common.bad_input import BadInput
from common.read_file import read_json
from nas_space.structure import Structure
from trials.data.dataset import is_plain_name

HAND = "hand"


@dataclass(frozen=True)
class Subject:
    """Searches by split and phase, and the final trainings of what they found; either may be missing."""

    name: str
    dataset: str
    searches: dict[tuple[int, str], Search]
    """By split and ``global`` or ``local``; each has judged at least one structure."""
    runs: Runs = field(default_factory=dict)
    """Test metrics of the final trainings, of those splits and seeds that all structures have."""
    unfinished: tuple[str, ...] = ()
    """What is told of searches that found nothing, and of final trainings that cannot be compared yet."""
    folder: Path | None = None
    """Of the run."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Of the pipeline."""

    @classmethod
    def of(cls, source: str) -> Subject:
        """The run in a folder, the search that was kept in one, or the search with an id.

        Raises:
            BadInput: it is none of them, or a file of it is damaged, or nothing has come of it yet.
        """
        folder = Path(source)
        if (folder / "pipeline.json").is_file():
            return cls._of_run(folder)
        if folder.is_dir() and not (folder / SETTINGS_FILE).is_file():
            raise BadInput(f"{source}: no run of experiments.pipeline (it has no pipeline.json)")
        search = Search.of_folder(folder) if folder.is_dir() else Search.of_experiment(source)
        search.best()
        return cls(search.experiment, search.dataset or "unknown", {(search.split, search.phase): search})

    @classmethod
    def _of_run(cls, folder: Path) -> Subject:
        path = folder / "pipeline.json"
        content = read_json(path)
        try:
            # Runs from before there was a choice of global searches have not noted it.
            settings = {"global_search": "global", **content["settings"]}
            _check(settings)
            experiments = {name: step["experiment"]["id"] for name, step in content["steps"].items() if step}
        except (KeyError, TypeError, ValueError, AttributeError) as fault:
            raise BadInput(f"{path}: damaged, or not of a run of experiments.pipeline ({fault!r})") from None
        searches, unfinished = {}, []
        for split in settings["splits"]:
            for phase in ("global", "local"):
                search = _search(folder / f"split{split}" / phase, experiments.get(f"{phase}_split{split}"))
                if search is not None and search.history.evaluations:
                    search.best()
                    searches[split, phase] = search
                elif search is not None:
                    why = search.error or f"{len(search.history.failures)} failures, no success yet"
                    unfinished.append(f"the {phase} search of split {split} ({why})")
        trained = any(folder.glob("final/*/split*/seed*/metrics.json"))
        if not trained and not searches:
            raise BadInput(f"{folder}: nothing has come of this run yet{''.join(f': {why}' for why in unfinished)}")
        runs = read_runs(folder / "final") if trained else {}
        common = set.intersection(*map(set, runs.values())) if runs else set()
        left = sum(len(cells.keys() - common) for cells in runs.values())
        if left:
            unfinished.append(f"{left} final trainings of splits and seeds that some structures were not trained on")

        runs = {name: {place: cells[place] for place in common} for name, cells in runs.items() if common}
        return cls(folder.resolve().name, settings["dataset"], searches, runs, tuple(unfinished), folder, settings)

    @cached_property
    def trained(self) -> dict[tuple[str, int], Trained]:
        """The final training of the smallest seed of each structure and split."""
        trained = {}
        for structure, cells in self.runs.items():
            for split, seed in sorted(cells, reverse=True):
                assert self.folder is not None
                folder = self.folder / "final" / structure / f"split{split}" / f"seed{seed}"
                trained[structure, split] = Trained.read(structure, split, folder)
        return dict(sorted(trained.items(), key=lambda item: (list(self.runs).index(item[0][0]), item[0][1])))

    def splits(self) -> list[int]:
        """The splits that anything is known of."""
        return sorted({split for split, _ in self.searches} | {split for _, split in self.trained})

    def structures(self, split: int) -> dict[str, Structure]:
        """The structures of one split by name: ``hand``, and what its searches found."""
        trained = {name: each.checkpoint.structure() for (name, at), each in self.trained.items() if at == split}
        found = {phase: search.best() for (at, phase), search in self.searches.items() if at == split}
        structures = {**trained, **found}
        network = next(iter(structures.values())).network
        return {HAND: Structure.hand(network), **structures}

    @property
    def background(self) -> tuple[str, ...] | None:
        """The classes that the scores leave out; None: the data set's default."""
        return next((each.background for each in self.trained.values()), None)

    @property
    def sample_rate(self) -> int | None:
        """Of how many frames the networks read one; None: the data set's default."""
        rates = [each.sample_rate for each in self.trained.values()]
        rates += [search.sample_rate for search in self.searches.values() if search.sample_rate is not None]
        return rates[0] if rates else None

    @property
    def searched(self) -> str | None:
        """What the searches led to, of the structures that were trained to the end: the last phase's."""
        others = [name for name in self.runs if name != HAND]
        return next((name for name in ("local", "global", *others) if name in others), None)


def _search(kept: Path, experiment: Any) -> Search | None:
    """The search of a step: as the pipeline has kept it at its end, else as NNI has it; None before it began."""
    if kept.is_dir():
        return Search.of_folder(kept)
    return None if experiment is None else Search.of_experiment(str(experiment))


def _check(settings: dict[str, Any]) -> None:
    """Raise KeyError, TypeError or ValueError for settings that are not as the pipeline writes them."""
    if not is_plain_name(settings["dataset"]):
        raise ValueError("dataset")
    for name in ("template", "global_search"):
        if not isinstance(settings[name], str):
            raise ValueError(name)
    for name, kind in (("splits", int), ("seeds", int), ("phases", str)):
        if not isinstance(settings[name], list) or not all(type(value) is kind for value in settings[name]):
            raise ValueError(name)
