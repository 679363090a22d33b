"""Real trials elsewhere give what they give here, bit for bit, also where their machine is lost on the way."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from common import atomic_file
from machines.machine_list import RemoteMachine
from nas_space.branching import Branching
from nas_space.structure import Structure
from nas_space.structure_files import write_structure
from nni_api.home import Home
from tests.conftest import REPOSITORY
from tests.machines.conftest import Hosts, Trial
from tests.trials.conftest import TINY, TINY_STRUCTURE, equal_weights, read_scalars
from trials import differentiable_trial, final_trial, local_trial

pytestmark = pytest.mark.long

LABELS = TINY_STRUCTURE.by_label()


@pytest.fixture
def words(small_dataset: Path) -> tuple[object, ...]:
    return ("--data-root", small_dataset.parent, "--dataset", "small", *TINY, "--threads", 1)


@pytest.fixture
def machines(hosts: Hosts, small_dataset: Path, tmp_path: Path) -> list[RemoteMachine]:
    """Two, with data of their own."""
    shutil.copytree(small_dataset.parent, tmp_path / "data there")
    return [hosts.add(name, REPOSITORY, data_root=str(tmp_path / "data there")) for name in ("one", "two")]


Here = Callable[..., list[tuple[str, int, Any]]]


@pytest.fixture
def here(trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    """``here(main, *words)``: run the trial in this process, in a copy of its experiment; returns what NNI has."""

    def run(main: Callable[[], None], *words: object) -> list[tuple[str, int, Any]]:
        reported: list[tuple[str, int, Any]] = []

        def send(kind: str, sequence: int, value: dict[str, Any]) -> None:
            reported.append((kind, sequence, value))

        experiment = tmp_path / "here" / "expid"
        shutil.copytree(trial.experiment, experiment, dirs_exist_ok=True)
        with monkeypatch.context() as patch:
            patch.setenv("NNI_OUTPUT_DIR", str(experiment / trial.output.relative_to(trial.experiment)))
            patch.setattr(Home, "current", Home({"parameter_id": 1, "parameters": trial.parameters}, 1, send))
            patch.setattr(sys, "argv", ["trial", *map(str, words)])
            main()
        return without_times(reported)

    return run


def without_times(content: Any) -> Any:
    """JSON content, but for how long it took."""
    if isinstance(content, dict):
        return {key: without_times(value) for key, value in content.items() if key not in ("_sec", "seconds")}
    if isinstance(content, list | tuple):
        return type(content)(map(without_times, content))
    return content


def test_an_iteration_of_a_chain_goes_on_from_the_one_before(
    trial: Trial, machines: list[RemoteMachine], words: tuple[object, ...], here: Here, tmp_path: Path
) -> None:
    place = {"chain": 0, "iteration": 0, "split": 1, "seed": 5, "_branching": Branching(rate=0.5, maximum=32).to_text()}
    trial.parameters = {**LABELS, **place, "_uid": 7}
    options = (*words, "--epochs", 1, "--learning-rate", 0.05)
    first = trial.experiment / "chains" / "chain_0" / "iteration_0.pt"
    here(local_trial.main, *options)
    first.parent.mkdir(parents=True)
    shutil.copy(tmp_path / "here" / "expid" / "chains" / "chain_0" / first.name, first)
    trial.parameters["iteration"] = 1
    assert trial.run_on(machines[0], module="trials.local_trial", words=options) == 0
    assert without_times(trial.metrics) == here(local_trial.main, *options)
    folders = (trial.experiment, tmp_path / "here" / "expid")
    one, other = (torch.load(folder / "chains" / "chain_0" / "iteration_1.pt") for folder in folders)
    assert equal_weights(one["training"]["network"], other["training"]["network"])
    assert json.loads((trial.output / "epoch.json").read_text())["epoch"] == 1
    assert (trial.experiment / "data-split1-every1-float32.json").exists()


def test_a_final_training_comes_home(
    trial: Trial, machines: list[RemoteMachine], words: tuple[object, ...], here: Here, tmp_path: Path
) -> None:
    structure = Structure((3, 5, 7, 9, 2, 4), TINY_STRUCTURE.network)
    write_structure(structure, tmp_path / "split1" / "best.json")
    trial.parameters = {"structure": str(tmp_path / "split{split}" / "best.json"), "split": 1, "seed": 3}
    options = (*words, "--epochs", 2, "--tensorboard")
    elsewhere = (*options, "--output", tmp_path / "final")
    assert trial.run_on(machines[0], module="trials.final_trial", words=elsewhere) == 0
    assert without_times(trial.metrics) == here(final_trial.main, *options, "--output", tmp_path / "final here")
    one, other = (tmp_path / name / "best" / "split1" / "seed3" for name in ("final", "final here"))
    names = sorted(str(path.relative_to(other)) for path in other.rglob("*"))
    assert sorted(str(path.relative_to(one)) for path in one.rglob("*")) == names
    assert "predictions/p02-1.txt" in names
    assert "training.pt" not in names
    read = [without_times(json.loads((folder / "metrics.json").read_text())) for folder in (one, other)]
    assert read[0] == read[1]
    for path in (one / "predictions").iterdir():
        assert path.read_text() == (other / "predictions" / path.name).read_text()
    scalars = read_scalars(trial.experiment / "trials" / "Ab3dE" / "output" / "tensorboard")
    assert [step for step, _ in scalars["loss"]] == [1, 2]


def test_a_search_whose_machine_is_lost_goes_on_elsewhere_from_its_last_epoch(
    trial: Trial,
    machines: list[RemoteMachine],
    words: tuple[object, ...],
    here: Here,
    hosts: Hosts,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trial.parameters = {"seed": 5, "_uid": 7}
    options = (*words, "--split", 1, "--candidates", 1, 4, "--epochs", 6)
    kept, epochs = trial.experiment / "searches" / "seed_5" / "search.pt", list[int]()

    def cut(path: Path) -> None:
        if path == kept and not epochs:
            epochs.append(torch.load(path)["training"]["epoch"])
            (hosts.folder / "one" / "cut").touch()
            while (hosts.folder / "one" / "cut").exists():
                time.sleep(0.01)  # home reads nothing meanwhile, so the machine cannot end before it is lost

    monkeypatch.setattr(atomic_file, "listeners", [cut])
    assert trial.run_on(*machines, module="trials.differentiable_trial", words=options) == 0
    assert epochs == [1]
    assert without_times(trial.metrics) == here(differentiable_trial.main, *options)
    assert [(kind, sequence) for kind, sequence, _ in trial.metrics] == [
        *(("PERIODICAL", sequence) for sequence in range(6)),
        ("FINAL", 0),
    ]
