"""Steps of a pipeline, and an NNI that ends or interrupts their experiments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from experiments.nni_experiment import Experiment
from experiments.pipeline import do_step
from experiments.run_folder import Run
from experiments.steps import PipelineStep

SETTINGS = {"dataset": "demo", "splits": [1], "phases": ["global", "final"]}


class Nni:
    """Starts experiments that end at once, or are interrupted."""

    def __init__(self, records: Path) -> None:
        self.records = records
        self.actions: list[list[str]] = []
        self.stopped: list[str] = []
        self.experiments: dict[str, Experiment] = {}
        """Known to NNI, by the mark in their names."""
        self.interrupts = False
        self.dies_first = False
        """Whether the pipeline is killed before it hears of the experiment."""

    @contextmanager
    def running(
        self, action: list[str], port: int, _: str, started: Callable[[Experiment], object]
    ) -> Iterator[Experiment]:
        self.actions.append(action)
        experiment = Experiment("Ab3dE", port, manager=0)
        if action[0] == "create":
            name = yaml.safe_load(Path(action[-1]).read_text())["experimentName"]
            self.experiments[name.split("(")[1].rstrip(")")] = experiment
        if self.dies_first:
            raise KeyboardInterrupt
        started(experiment)
        if self.interrupts:
            raise KeyboardInterrupt
        yield experiment


def interrupted(nni: Nni, step: PipelineStep, run: Run) -> None:
    """Run a step that is interrupted as soon as its experiment is known."""
    nni.interrupts = True
    with pytest.raises(KeyboardInterrupt):
        do_step(run, step)
    nni.interrupts = False


def global_step(folder: Path, budget: int = 2) -> PipelineStep:
    config = {"experimentName": "tiny global", "tuner": {"classArgs": {"budget": budget}}}
    return PipelineStep("global_split1", "global", "it", config, folder / "global.json", budget)


GRID_SEARCH = {"tuner": {"name": "GridSearch"}, "maxTrialNumber": 2}
"""A final training of two seeds as earlier versions made it."""


def final_step(seeds: int) -> PipelineStep:
    """The final training of ``hand`` on split 1."""
    values = {"structure": ["hand"], "split": [1], "seed": list(range(seeds))}
    config = {
        "experimentName": "tiny final",
        "tuner": {"className": "strategies.tuners.FinalTuner", "classArgs": {"seeds": list(range(seeds))}},
        "searchSpace": {name: {"_type": "choice", "_value": chosen} for name, chosen in values.items()},
    }
    return PipelineStep("final", "final", "it", config, None, seeds)


def train(folder: Path, place: str) -> None:
    """Leave what the final training of that structure, split and seed leaves."""
    (folder / "final" / place).mkdir(parents=True)
    (folder / "final" / place / "metrics.json").write_text("{}")
