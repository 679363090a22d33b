"""A search as it can be read again: what its tuner recorded, and what NNI was told to run."""

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
from common.bad_input import BadInput
from common.command_options import option, option_values
from common.read_file import read_json
from nas_space.network import POWERS_OF_TWO
from nas_space.structure import Structure
from nni_api.records import RECORDS_FILE, read_records
from nni_api.register import registered
from strategies.differentiable import seeds_of
from strategies.genetic import POPULATION_SIZE
from trials.data.dataset import is_plain_name

SETTINGS_FILE = "experiment.json"
KEPT = ("experimentName", "trialCommand", "trialConcurrency", "maxTrialDuration", "tuner", "searchSpace")
"""Of NNI's configuration: what the results depend on, and what starts the same search again."""


class Cost(NamedTuple):
    """What searches took."""

    trials: int
    """That were judged."""
    failures: int
    epochs: int
    """In all trials that were judged."""
    hours: float
    """Of devices, likewise."""


@dataclass(frozen=True)
class Search:
    """One search, global or local, finished or not."""

    experiment: str
    """NNI's id."""
    settings: dict[str, Any]
    """``KEPT``, without the places of files on this machine."""
    history: History

    @classmethod
    def of_experiment(cls, experiment: str) -> Search:
        """A search of this user, as NNI keeps it.

        Raises:
            BadInput: NNI knows no experiment of that id, or it is no search of ours, or its files are damaged.
        """
        known = registered(experiment)
        history, config = read_history(known.folder / "checkpoint"), known.settings()
        kept = {name: config[name] for name in KEPT if name in config}
        settings = without_places(kept, f"{config.get('trialCodeDirectory')}/")
        return cls(experiment, settings, history)._checked(f"experiment {experiment}")

    @classmethod
    def of_folder(cls, folder: Path) -> Search:
        """A search that ``keep`` has kept. Raises BadInput where a file is missing or damaged."""
        content = read_json(folder / SETTINGS_FILE)
        if not isinstance(content, dict) or not {"experiment", "settings"} <= content.keys():
            raise BadInput(f"{folder / SETTINGS_FILE}: damaged, or not of a search that was kept")
        return cls(content["experiment"], content["settings"], read_history(folder))._checked(folder / SETTINGS_FILE)

    def keep(self, folder: Path) -> None:
        """Copy the records and settings into a folder, which can then be read on any machine."""
        events = (without_places(event) for event in read_records(self.history.folder / RECORDS_FILE))
        write_text(folder / RECORDS_FILE, "".join(json.dumps(event) + "\n" for event in events))
        write_json(folder / SETTINGS_FILE, {"experiment": self.experiment, "settings": self.settings})

    def cost(self) -> Cost:
        """What it took so far."""
        evaluations = self.history.evaluations
        return Cost(
            trials=len(evaluations),
            failures=len(self.history.failures),
            epochs=sum(len(evaluation.epochs) for evaluation in evaluations),
            hours=sum(evaluation.seconds or 0.0 for evaluation in evaluations) / 3600,
        )

    def to_yaml(self) -> str:
        """A YAML file that starts the same search again, from the folder ``experiments``."""
        content = {"trialCodeDirectory": "..", "trainingService": {"platform": "local"}, **self.settings}
        content["tuner"] = {**self.settings.get("tuner", {}), "codeDirectory": ".."}
        return yaml.safe_dump(content, sort_keys=False, width=100, default_flow_style=None)

    def best(self) -> Structure:
        """The structure that it found. Raises BadInput where no trial succeeded, or what it trained is no structure."""
        dilations = self.history.best()[0].structure
        try:
            return Structure.from_labels(dilations, self.history.network)
        except BadInput as fault:
            raise BadInput(f"{self.history.folder / RECORDS_FILE}: {fault}") from None

    @property
    def error(self) -> str | None:
        """Why it ended early, without the places of files on this machine."""
        return None if self.history.error is None else without_places(self.history.error)

    @property
    def phase(self) -> str:
        """``global`` or ``local``, by the class of its tuner: a global search may have starts, too."""
        name = str(self.settings.get("tuner", {}).get("className")).rpartition(".")[2]
        return "local" if name == "LocalTuner" else "global"

    @property
    def split(self) -> int:
        """The split that it searched on, or the first of them."""
        return int(option(self._words, "--split") or (self._arguments.get("splits") or [0])[0])

    @property
    def dataset(self) -> str | None:
        """The name of its data set."""
        return option(self._words, "--dataset")

    @property
    def sample_rate(self) -> int | None:
        """Of how many frames one was read, where its trials were told so."""
        rate = option(self._words, "--sample-rate")
        return None if rate is None else int(rate)

    @property
    def population_size(self) -> int:
        """How many structures may be parents in a global search."""
        return int(self._arguments.get("population_size", POPULATION_SIZE))

    @property
    def candidates(self) -> Mapping[str, Sequence[int]]:
        """The dilations that each layer of a differentiable search chose among, by short label."""
        # Here, because it imports NNI, which reading searches does not need.
        from nas_space.space import from_nni

        network = self.history.network
        space = self.settings.get("searchSpace")
        if seeds_of(space) is None and space is not None:
            return from_nni(space, network)
        values = option_values(self._words, "--candidates") or []
        of_all = tuple(map(int, takewhile(str.isdecimal, values))) or POWERS_OF_TWO
        return dict.fromkeys(network.paths, of_all)

    @property
    def _arguments(self) -> dict[str, Any]:
        """Of the tuner."""
        return dict(self.settings.get("tuner", {}).get("classArgs") or {})

    @property
    def _words(self) -> list[str]:
        """Of the command of its trials."""
        return shlex.split(self.settings.get("trialCommand", ""))

    def _checked(self, where: object) -> Search:
        """Itself. Raises BadInput for settings that no search of ours can have had."""
        try:
            self._check()
        except (TypeError, ValueError, LookupError, AttributeError) as fault:
            raise BadInput(f"{where}: its settings are not those of a search of ours ({fault!r})") from None
        return self

    def _check(self) -> None:
        if not isinstance(self.experiment, str) or not isinstance(self.settings.get("trialCommand", ""), str):
            raise TypeError("experiment or trialCommand")
        if self.split < 0 or self.population_size < 2 or (self.sample_rate or 1) < 1:
            raise ValueError("split, population size or sample rate")
        if self.dataset is not None and not is_plain_name(self.dataset):
            raise ValueError("data set")


def without_places(value: Any, home: str = "\0") -> Any:
    """JSON content whose paths tell nothing of the machine: those below ``home/`` relative to it, others cut short."""
    if isinstance(value, dict):
        return {name: without_places(each, home) for name, each in value.items() if name != "codeDirectory"}
    if isinstance(value, list):
        return [without_places(each, home) for each in value]
    if isinstance(value, str):
        return re.sub(r"(?<![^\s='\"])/(?:[^\s/'\"]+/)*", "…/", value.replace(home, ""))
    return value
