"""The subject of a report: a run of the pipeline with its final models, or one search."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from analysis.final import Runs, common_trainings, read_runs
from analysis.searches import SETTINGS_FILE, SearchRecord
from common.bad_input import BadInput
from common.read_file import read_json
from nas_space.network import Network
from nas_space.structure import Structure
from trials.data.dataset import is_plain_name
from trials.training.checkpoint import Checkpoint, load_checkpoint
from trials.training.final_training import PREDICTIONS

HAND = "hand"


@dataclass(frozen=True)
class FinalModel:
    """The model that one structure became on one split with one seed."""

    structure: str
    """``hand``, ``global`` or ``local``."""
    split: int
    folder: Path
    test_videos: tuple[str, ...]
    background: tuple[str, ...]
    sample_rate: int
    about: dict[str, Any]
    """Settings, device and versions."""
    named: Network | None = None
    """See ``Checkpoint.structure``."""

    @classmethod
    def read(cls, structure: str, split: int, folder: Path, named: Network | None = None) -> FinalModel:
        """The model in a folder. Raises BadInput where its ``metrics.json`` is damaged."""
        path = folder / "metrics.json"
        content = read_json(path)
        try:
            run = content["run"]
            videos, background, rate = run["test_videos"], run["background"], run["sample_rate"]
            about = {name: content[name] for name in ("device", "versions")}
            about |= {"settings": {name: value for name, value in run["settings"].items() if name != "seed"}}
            lists = isinstance(videos, list) and isinstance(background, list)
            if not lists or not all(isinstance(name, str) and is_plain_name(name) for name in (*videos, *background)):
                raise ValueError("test videos or background classes")
            if type(rate) is not int or rate < 1 or not videos:
                raise ValueError("sample rate or test videos")
        except (KeyError, TypeError, ValueError, AttributeError) as fault:
            raise BadInput(f"{path}: damaged, or not of a final training ({fault!r})") from None
        return cls(structure, split, folder, tuple(videos), tuple(background), rate, about, named)

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The trained network."""
        return load_checkpoint(self.folder / "model.pt", self.named)

    def trained_structure(self) -> Structure:
        """The structure of the trained network."""
        return self.checkpoint.structure(self.named)

    def module(self) -> nn.Module:
        """The trained network."""
        return self.checkpoint.module(self.named)

    @property
    def predictions(self) -> Path:
        """The predicted label files of its test videos."""
        return self.folder / PREDICTIONS


@dataclass(frozen=True)
class Subject:
    """Searches by split and phase, and the final trainings of their results; either may be missing."""

    name: str
    dataset: str
    searches: dict[tuple[int, str], SearchRecord]
    """By split and ``global`` or ``local``; each has evaluated at least one structure."""
    runs: Runs = field(default_factory=dict)
    """Test metrics of the final trainings, of those splits and seeds that all structures have."""
    unfinished: tuple[str, ...] = ()
    """Descriptions of searches without a result, and of final trainings that cannot be compared yet."""
    folder: Path | None = None
    """Of the run."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Of the pipeline."""
    named: Network | None = None
    """See ``Checkpoint.structure``."""

    @classmethod
    def of(cls, source: str, named: Network | None = None) -> Subject:
        """From the folder of a run, the folder of a search, or the id of an experiment.

        Raises:
            BadInput: it is none of them, a file is damaged, or there is no result yet.
        """
        folder = Path(source)
        if (folder / "pipeline.json").is_file():
            return cls._of_run(folder, named)
        if folder.is_dir() and not (folder / SETTINGS_FILE).is_file():
            raise BadInput(f"{source}: not a run of experiments.pipeline (no pipeline.json)")
        search = SearchRecord.of_folder(folder) if folder.is_dir() else SearchRecord.of_experiment(source)
        search.best()
        return cls(search.experiment, search.dataset or "unknown", {(search.split, search.phase): search})

    @classmethod
    def _of_run(cls, folder: Path, named: Network | None) -> Subject:
        path = folder / "pipeline.json"
        content = read_json(path)
        try:
            # Runs of versions without a choice of global searches lack it.
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
            raise BadInput(f"{folder}: no results of this run yet{''.join(f': {why}' for why in unfinished)}")
        runs = read_runs(folder / "final") if trained else {}
        common = common_trainings(runs)
        left = sum(len(runs[name]) - len(trainings) for name, trainings in common.items())
        if left:
            unfinished.append(f"{left} final trainings of splits and seeds that some structures were not trained on")
        runs = common if all(common.values()) else {}
        name, dataset = folder.resolve().name, settings["dataset"]
        return cls(name, dataset, searches, runs, tuple(unfinished), folder, settings, named)

    @cached_property
    def models(self) -> dict[tuple[str, int], FinalModel]:
        """The final training of the smallest seed of each structure and split."""
        models = {}
        for structure, trainings in self.runs.items():
            for split, seed in sorted(trainings, reverse=True):
                assert self.folder is not None
                folder = self.folder / "final" / structure / f"split{split}" / f"seed{seed}"
                models[structure, split] = FinalModel.read(structure, split, folder, self.named)
        return dict(sorted(models.items(), key=lambda item: (list(self.runs).index(item[0][0]), item[0][1])))

    def splits(self) -> list[int]:
        """All splits with a search or a final training."""
        return sorted({split for split, _ in self.searches} | {split for _, split in self.models})

    def structures(self, split: int) -> dict[str, Structure]:
        """The structures of one split by name: ``hand``, and the results of its searches."""
        trained = {name: each.trained_structure() for (name, at), each in self.models.items() if at == split}
        found = {phase: search.best() for (at, phase), search in self.searches.items() if at == split}
        structures = {**trained, **found}
        network = next(iter(structures.values())).network
        return {HAND: Structure.hand(network), **structures}

    @property
    def background(self) -> tuple[str, ...] | None:
        """The classes that the scores leave out; None: the data set's default."""
        return next((each.background for each in self.models.values()), None)

    @property
    def sample_rate(self) -> int | None:
        """The networks read one frame in so many; None: the data set's default."""
        rates = [each.sample_rate for each in self.models.values()]
        rates += [search.sample_rate for search in self.searches.values() if search.sample_rate is not None]
        return rates[0] if rates else None

    @property
    def searched(self) -> str | None:
        """The trained structure of the last search phase; None if only ``hand`` is trained."""
        others = [name for name in self.runs if name != HAND]
        return next((name for name in ("local", "global", *others) if name in others), None)


def _search(folder: Path, experiment: Any) -> SearchRecord | None:
    """The search of a step: from the run's folder if it has ended, else from NNI; None before its start."""
    if folder.is_dir():
        return SearchRecord.of_folder(folder)
    return None if experiment is None else SearchRecord.of_experiment(str(experiment))


def _check(settings: dict[str, Any]) -> None:
    """Raise KeyError, TypeError or ValueError for damaged settings."""
    if not is_plain_name(settings["dataset"]):
        raise ValueError("dataset")
    for name in ("template", "global_search"):
        if not isinstance(settings[name], str):
            raise ValueError(name)
    for name, kind in (("splits", int), ("seeds", int), ("phases", str)):
        if not isinstance(settings[name], list) or not all(type(value) is kind for value in settings[name]):
            raise ValueError(name)
