"""A small run, as the pipeline leaves it, whose scores and predictions were chosen."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from analysis.history import read_history
from analysis.searches import SearchRecord
from common.atomic_file import write_json
from nas_space.branching import Branching
from nas_space.network import Network
from nas_space.networks import find_network
from nas_space.structure import Structure
from nni_api.records import Records
from tests.analysis.test_frontier import write_results
from tests.conftest import made_once, write_dataset
from trials.data.arguments import Task
from trials.data.dataset import Dataset
from trials.training.final_training import FinalTraining
from trials.training.metrics import METRICS
from trials.training.settings import TrainingSettings

NETWORK = find_network("ms-tcn:stages=2,layers=3,channels=4")
FOUND = {
    "hand": Structure.hand(NETWORK),
    "global": Structure((4, 8, 1, 2, 2, 16), NETWORK),
    "local": Structure((5, 9, 1, 2, 1, 20), NETWORK),
}
SCORES = {"hand": {1: (50, 50), 2: (50, 50)}, "global": {1: (51, 51), 2: (51, 51)}, "local": {1: (52, 54), 2: (55, 57)}}
"""All five test metrics, by structure, split and seed."""
CHOICE = {"hand": 40.0, "global": 42.5, "local": 41.0}
"""All five metrics on the videos that are held out, by structure."""
BRANCHING = Branching(3, 0.25)
OBJECTIVES = (10.0, 40.0, 30.0)
"""Of the trials of each global search, the second of which is what it found."""


@dataclass(frozen=True)
class SmallRun:
    """Where it lies, and its data."""

    folder: Path
    data_root: Path


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> SmallRun:
    root = made_once(tmp_path_factory, "small_run", make_small_run)
    return SmallRun(root / "runs" / "small", root / "data")


def make_small_run(root: Path) -> None:
    dataset = Dataset(write_dataset(root / "data" / "small", splits=2))
    folder = root / "runs" / "small"
    write_results(folder / "context")
    for split in (1, 2):
        global_search(folder / f"split{split}" / "global", split)
        local_search(folder / f"split{split}" / "local", split)
        for name, structure in FOUND.items():
            for seed in (0, 1):
                final(folder / "final" / name / f"split{split}" / f"seed{seed}", dataset, name, structure, split, seed)
            about = {"split": split, "settings": {"seed": 0}}
            metrics = dict.fromkeys(METRICS, CHOICE[name])
            write_json(
                folder / "choice" / name / f"split{split}" / "seed0" / "metrics.json", {"run": about, "test": metrics}
            )
    settings = {"dataset": "small", "template": "demo", "splits": [1, 2], "seeds": [0, 1], "global_search": "quick"}
    phases = ["global", "local", "final"]
    steps = {"choice": {"done": True, "experiment": {"id": "Ch01ce"}}}
    (folder / "pipeline.json").write_text(json.dumps({"settings": {**settings, "phases": phases}, "steps": steps}))


def global_search(folder: Path, split: int) -> None:
    """Three trials of two epochs and 36 seconds each, and one failure."""
    records = begin(folder)
    other = Structure((2, 2, 2, 2, 2, 2), NETWORK)
    for uid, (structure, value) in enumerate(zip((FOUND["hand"], FOUND["global"], other), OBJECTIVES, strict=True)):
        dilations = structure.by_label()
        records.write("proposed", uid=uid, structure=dilations, generation=uid // 2, parents=[])
        finish(records, uid, dilations, value, epochs=2)
    records.write("failed", uid=3, trial="trial3", reason="<b>out of memory</b>", again=False)
    records.write("done")
    keep(folder, "GlobalTuner", {"population_size": 2}, f"--dataset small --split {split}")


def local_search(folder: Path, split: int) -> None:
    """One chain of one iteration."""
    records = begin(folder)
    start = FOUND["global"].by_label()
    about = {"chain": 0, "iteration": 0, "split": split, "seed": 0, "branching": BRANCHING.to_text()}
    records.write("proposed", uid=0, structure=start, **about)
    probabilities = {label: learned(len(BRANCHING.expand(dilation))) for label, dilation in start.items()}
    finish(records, 0, start, 41.0, epochs=3, probabilities=probabilities)
    ended = FOUND["local"].by_label()
    records.write("chain_ended", chain=0, why="done", iterations=1, structure=ended)
    records.write("done")
    keep(folder, "LocalTuner", {"starts": ["hand"], "splits": [split]}, "--dataset small")


def learned(branches: int) -> list[float]:
    return [1 / branches] * branches


def begin(folder: Path, network: Network = NETWORK) -> Records:
    folder.mkdir(parents=True)
    records = Records(folder)
    records.write("started", resumed=False, refusal=None, network=network.to_json())
    return records


def finish(records: Records, uid: int, structure: dict[str, int], value: float, epochs: int, **more: Any) -> None:
    metrics = {"default": value, **dict.fromkeys(METRICS, value)}
    result = {"trial": f"trial{uid}", "metrics": metrics, "epochs": [metrics] * epochs, "seconds": 36.0}
    records.write("finished", uid=uid, structure=structure, **result, **more)


def keep(folder: Path, tuner: str, arguments: dict[str, Any], options: str) -> None:
    trial = "search_trial" if tuner == "GlobalTuner" else "local_trial"
    settings = {
        "trialCommand": f"python3 -m trials.{trial} {options}",
        "trialConcurrency": 2,
        "tuner": {"className": f"strategies.tuners.{tuner}", "classArgs": arguments},
    }
    SearchRecord("Ab3dE", settings, read_history(folder)).write(folder)


def final(output: Path, dataset: Dataset, name: str, structure: Structure, split: int, seed: int) -> None:
    """A training of one epoch, whose scores and predictions are replaced by chosen ones.

    ``hand`` takes all for class_1, ``global`` for class_2. ``local`` makes no mistake but in the split's last test
    video, where it takes the first frame for another class in split 1, and all for class_1 in split 2.
    """
    train, test = dataset.split(split)
    settings = TrainingSettings(epochs=1, batch_size=4, seed=seed)
    task = Task("small", dataset, ("class_0",))
    training = FinalTraining(task, split, structure, settings, train, (), test, "last")
    torch.set_num_threads(1)
    training.run(output, torch.device("cpu"))
    path = output / "metrics.json"
    content = json.loads(path.read_text())
    content["test"] = dict.fromkeys(METRICS, SCORES[name][split][seed])
    path.write_text(json.dumps(content))
    for video in test:
        true = dataset.label_path(video).read_text().splitlines()
        predicted = {"hand": ["class_1"] * len(true), "global": ["class_2"] * len(true), "local": list(true)}[name]
        if name == "local" and video == test[-1]:
            predicted[0] = "class_2" if true[0] != "class_2" else "class_1"
            if split == 2:
                predicted = ["class_1"] * len(true)
        (output / "predictions" / f"{video}.txt").write_text("".join(f"{line}\n" for line in predicted))
