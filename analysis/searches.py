"""Records of searches: the history of the tuner, and the settings of the NNI experiment."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from analysis.history import History, read_history
from common.atomic_file import write_json, write_text
from common.bad_input import BadInput, naming
from common.command_options import option, option_values
from common.read_file import read_json
from nas_space.network import POWERS_OF_TWO
from nas_space.structure import Structure
from nni_api.records import RECORDS_FILE, read_records
from nni_api.register import registered
from strategies.differentiable import seeds_of
from strategies.genetic import POPULATION_SIZE
from trials.data.dataset import is_plain_name
from trials.trial_arguments import DIFFERENTIABLE_TRIAL, LOCAL_TRIAL, SEARCH_TRIAL

SETTINGS_FILE = "experiment.json"
RECORDED_SETTINGS = ("experimentName", "trialCommand", "trialConcurrency", "maxTrialDuration", "tuner", "searchSpace")
"""Of NNI's configuration: those that the results depend on, and that are needed to repeat the search."""
KINDS = {"GlobalTuner": "genetic", "DifferentiableTuner": "differentiable", "LocalTuner": "local"}
"""The algorithm of each tuner."""


class SearchCost(NamedTuple):
    """The cost of one or more searches."""

    trials: int
    """That succeeded."""
    failures: int
    epochs: int
    """In all trials that succeeded."""
    hours: float
    """Device hours, likewise."""


@dataclass(frozen=True)
class SearchRecord:
    """One search, global or local, finished or not."""

    experiment: str
    """NNI's id."""
    settings: dict[str, Any]
    """``RECORDED_SETTINGS``, without the paths of this machine."""
    history: History

    @classmethod
    def of_experiment(cls, experiment: str) -> SearchRecord:
        """A search of this user, from NNI's files.

        Raises:
            BadInput: NNI knows no experiment of that id, it is not a search of ours, or its files are damaged.
        """
        known = registered(experiment)
        history, config = read_history(known.folder / "checkpoint"), known.settings()
        settings = {name: config[name] for name in RECORDED_SETTINGS if name in config}
        settings = without_paths(settings, f"{config.get('trialCodeDirectory')}/")
        return cls(experiment, settings, history)._checked(f"experiment {experiment}")

    @classmethod
    def of_folder(cls, folder: Path) -> SearchRecord:
        """A search that ``write`` has copied there. Raises BadInput where a file is missing or damaged."""
        content = read_json(folder / SETTINGS_FILE)
        if not isinstance(content, dict) or not {"experiment", "settings"} <= content.keys():
            raise BadInput(f"{folder / SETTINGS_FILE}: damaged, or not the settings of a search")
        return cls(content["experiment"], content["settings"], read_history(folder))._checked(folder / SETTINGS_FILE)

    def write(self, folder: Path) -> None:
        """Copy the records and settings into a folder, which can then be read on any machine."""
        events = (without_paths(event) for event in read_records(self.history.folder / RECORDS_FILE))
        write_text(folder / RECORDS_FILE, "".join(json.dumps(event) + "\n" for event in events))
        write_json(folder / SETTINGS_FILE, {"experiment": self.experiment, "settings": self.settings})

    def cost(self) -> SearchCost:
        """Its cost so far."""
        evaluations = self.history.evaluations
        return SearchCost(
            trials=len(evaluations),
            failures=len(self.history.failures),
            epochs=sum(len(evaluation.epochs) for evaluation in evaluations),
            hours=sum(evaluation.seconds or 0.0 for evaluation in evaluations) / 3600,
        )

    def to_yaml(self) -> str:
        """A YAML file for ``experiments/`` that starts the same search again."""
        content = {"trialCodeDirectory": "..", "trainingService": {"platform": "local"}, **self.settings}
        content["tuner"] = {**self.settings.get("tuner", {}), "codeDirectory": ".."}
        return yaml.safe_dump(content, sort_keys=False, width=100, default_flow_style=None)

    def best(self) -> Structure:
        """The best structure. Raises BadInput where no trial succeeded, or its layers are not those of the network."""
        dilations = self.history.best()[0].structure
        with naming(self.history.folder / RECORDS_FILE):
            return Structure.from_labels(dilations, self.history.network)

    @property
    def error(self) -> str | None:
        """Why it ended early, without the paths of this machine."""
        return None if self.history.error is None else without_paths(self.history.error)

    @property
    def phase(self) -> str:
        """``global`` or ``local``, by the class of its tuner."""
        return "local" if self._tuner == "LocalTuner" else "global"

    @property
    def kind(self) -> str:
        """Its algorithm: genetic, differentiable or local; for a tuner of one's own, the name of its class."""
        return KINDS.get(self._tuner, self._tuner)

    @property
    def objective(self) -> str | None:
        """The metric that its trials report as ``default``; None for a trial of one's own that does not name it."""
        named = option(self._words, "--objective")
        for trial in (SEARCH_TRIAL, LOCAL_TRIAL, DIFFERENTIABLE_TRIAL):
            if named is None and f"trials.{trial.trial}" in self._words:
                return str(trial.parser().get_default("objective"))
        return named

    @property
    def split(self) -> int:
        """The split that it searched on, or the first one."""
        return int(option(self._words, "--split") or (self._arguments.get("splits") or [0])[0])

    @property
    def dataset(self) -> str | None:
        """The name of its data set."""
        return option(self._words, "--dataset")

    @property
    def sample_rate(self) -> int | None:
        """The ``--sample-rate`` of its trials, if given."""
        rate = option(self._words, "--sample-rate")
        return None if rate is None else int(rate)

    @property
    def population_size(self) -> int:
        """Population size of a global search."""
        return int(self._arguments.get("population_size", POPULATION_SIZE))

    @property
    def candidates(self) -> Mapping[str, Sequence[int]]:
        """The candidate dilations of each layer of a differentiable search, by short label."""
        # Imported here because it imports NNI, which reading records does not need.
        from nas_space.space import from_nni

        network = self.history.network
        space = self.settings.get("searchSpace")
        if seeds_of(space) is None and space is not None:
            return from_nni(space, network)
        values = option_values(self._words, "--candidates") or []
        of_all = tuple(map(int, takewhile(str.isdecimal, values))) or POWERS_OF_TWO
        return dict.fromkeys(network.paths, of_all)

    @property
    def _tuner(self) -> str:
        """The name of its class."""
        return str(self.settings.get("tuner", {}).get("className")).rpartition(".")[2]

    @property
    def _arguments(self) -> dict[str, Any]:
        """Of the tuner."""
        return dict(self.settings.get("tuner", {}).get("classArgs") or {})

    @property
    def _words(self) -> list[str]:
        """Of the trial command."""
        return shlex.split(self.settings.get("trialCommand", ""))

    def _checked(self, where: object) -> SearchRecord:
        """Itself. Raises BadInput for settings that no search of ours can have had."""
        try:
            if not isinstance(self.experiment, str) or not isinstance(self.settings.get("trialCommand", ""), str):
                raise TypeError("experiment or trialCommand")
            if self.split < 0 or self.population_size < 2 or (self.sample_rate or 1) < 1:
                raise ValueError("split, population size or sample rate")
            if self.dataset is not None and not is_plain_name(self.dataset):
                raise ValueError("data set")
        except (TypeError, ValueError, LookupError, AttributeError) as fault:
            raise BadInput(f"{where}: its settings are not those of a search of ours ({fault!r})") from None
        return self


def without_paths(value: Any, home: str = "\0") -> Any:
    """JSON content without the paths of this machine: those below ``home/`` become relative, others are truncated."""
    if isinstance(value, dict):
        return {name: without_paths(each, home) for name, each in value.items() if name != "codeDirectory"}
    if isinstance(value, list):
        return [without_paths(each, home) for each in value]
    if isinstance(value, str):
        return re.sub(r"(?<![^\s='\"])/(?:[^\s/'\"]+/)*", "…/", value.replace(home, ""))
    return value
