"""How much disk a search will take is known before it starts, and it does not start without that room."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from common.bad_input import BadInput
from experiments.checks.disk_room import BYTES_A_TRIAL, Need, needs_of, require_room, size, size_of
from experiments.config_file import read_config
from nas_space.branching import Branching
from nas_space.networks import build, find_network, parameters
from nas_space.searchable import expand
from nas_space.structure import Structure
from tests.conftest import REPOSITORY, write_dataset
from trials.training.checkpoint import save_torch
from trials.training.settings import TrainingSettings
from trials.training.training import Training

DIM, CLASSES = 6, 3
FOLDER = REPOSITORY / "experiments"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, and the data set ``tiny`` beside it, of 6 videos."""
    write_dataset(tmp_path / "data" / "tiny", dim=DIM, classes=CLASSES)
    monkeypatch.setenv("G2L_DATA_ROOT", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def config_of(command: str, kind: str = "", **content: Any) -> dict[str, Any]:
    command = f"python3 -m trials.{command} --dataset tiny --no-cache"
    tuners = {
        "local": {"classArgs": {"starts": ["hand"], "splits": [1, 2], "seeds": [0, 1, 2], "iterations": 5}},
        "differentiable": {"className": "strategies.tuners.DifferentiableTuner"},
    }
    local = {"trainingService": {"platform": "local"}, "trialConcurrency": 2, "trialCodeDirectory": ".."}
    return {**local, "trialCommand": command, "tuner": tuners.get(kind, {"name": "GridSearch"}), **content}


NETWORKS = ["ms-tcn", "ms-tcn:stages=3,layers=4,kernel=5", "ms-tcn++:shared=1", "causal-ms-tcn"]


@pytest.mark.parametrize("text", [*NETWORKS, "ms-tcn:stages=1,layers=2,channels=16"])
def test_parameters_are_those_of_the_network(text: str) -> None:
    network = find_network(text)
    module = build(Structure.hand(network), DIM, CLASSES)
    assert parameters(network, DIM, CLASSES) == sum(each.numel() for each in module.parameters())


@pytest.mark.parametrize("text", NETWORKS)
def test_checkpoints_are_as_large_as_estimated(text: str, home: Path, tmp_path: Path) -> None:
    structure = Structure.hand(find_network(text))
    network = build(structure, DIM, CLASSES)
    expand(network, structure, Branching(), inner_activation=False)
    save_torch(tmp_path / "a.pt", Training(network, TrainingSettings(), torch.device("cpu")).state_dict())
    logs, checkpoints = needs_of(config_of(f"local_trial --network {text}", "local"), FOLDER)
    assert logs == Need(home / "nni-experiments", 30 * BYTES_A_TRIAL, "1.5 MB of logs")
    assert checkpoints.folder == home / "nni-experiments"
    assert checkpoints.size == pytest.approx(30 * (tmp_path / "a.pt").stat().st_size, rel=0.1)
    assert re.fullmatch(r"30 checkpoints of \d\.\d MB", checkpoints.what)


@pytest.mark.usefixtures("home")
def test_each_kind_of_trial_has_its_own_needs(tmp_path: Path) -> None:
    small = "--network=ms-tcn++ --network ms-tcn:stages=1,layers=2"  # as argparse reads it: the last counts
    # 64 x 6 + 64 of the first convolution, 64 x 64 x 3 + 64 and 64 x 64 + 64 of each layer, 3 x 64 + 3 of the last one
    model = 4 * (448 + 2 * (12_352 + 4_160) + 195)
    seeds = {"searchSpace": {"seed": {"_type": "choice", "_value": [0, 1, 2]}}}
    _, search = needs_of(config_of(f"differentiable_trial --split 1 {small}", "differentiable", **seeds), FOLDER)
    assert search.size == (3 + 2) * 3 * model
    _, trained = needs_of(config_of(f"final_trial {small} --output {tmp_path / 'found'}", maxTrialNumber=6), FOLDER)
    assert trained.folder == tmp_path / "found"
    assert 6 * model + 12 * model < trained.size < 6 * model + 12 * model + 6 * 10_000
    average = f"differentiable_trial --split 1 {small} --average-last 0.25"
    assert needs_of(config_of(average, "differentiable", **seeds), FOLDER)[1].size == (3 + 2) * 4 * model
    (logs,) = needs_of(config_of(f"search_trial --split 1 {small}", maxTrialNumber=24), FOLDER)
    assert logs.size == 24 * BYTES_A_TRIAL


@pytest.mark.usefixtures("home")
def test_what_is_done_already_is_not_needed_again(tmp_path: Path) -> None:
    logs, checkpoints = needs_of(config_of("local_trial", "local"), FOLDER, done=29)
    assert logs.size == BYTES_A_TRIAL
    assert checkpoints.what.startswith("1 checkpoint of ")
    assert sum(need.size for need in needs_of(config_of("local_trial", "local"), FOLDER, done=31)) == 0

    final = config_of(f"final_trial --output {tmp_path / 'found'}", maxTrialNumber=6)
    _, whole = needs_of(final, FOLDER)
    (tmp_path / "found").mkdir()
    (tmp_path / "found" / "model.pt").write_bytes(bytes(5_000_000))
    *_, less = needs_of(final, FOLDER)
    assert -less.size == pytest.approx(5e6, rel=0.01)
    assert less.what == "less 5.0 MB that exist already"
    # Never below nothing, so that others of a run keep their needs.
    (tmp_path / "found" / "model.pt").write_bytes(bytes(whole.size))
    assert sum(need.size for need in needs_of(final, FOLDER)[1:]) == 0


@pytest.mark.usefixtures("home")
def test_a_cache_that_is_not_packed_yet_is_needed_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = config_of("search_trial", maxTrialNumber=2)
    config["trialCommand"] = f"python3 -m trials.search_trial --split 1 --dataset tiny --cache {tmp_path / 'cache'}"
    needs = needs_of(config, FOLDER)
    values = sum(path.stat().st_size - 128 for path in (tmp_path / "data" / "tiny" / "features").iterdir())
    assert needs[-1].size == values
    require_room([*needs, *needs])
    assert f"2 x 100 kB of logs, {size(values)} of feature cache" in capsys.readouterr().err


def test_an_experiment_without_room_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 0, 3_000_000))
    needs = [Need(tmp_path / "not" / "there", 2_000_000, "2 checkpoints"), Need(tmp_path, 1_500_000, "1.5 MB of logs")]
    where = tmp_path / "not" / "there"
    with pytest.raises(BadInput) as refused:
        require_room(needs)
    assert str(refused.value) == (
        f"{where}: the trials take about 3.5 MB of disk (2 checkpoints, 1.5 MB of logs), and 3.0 MB are free: make "
        "room (python -m experiments.clean ID removes what an earlier search no longer needs)"
    )
    require_room(needs[:1])
    assert (
        capsys.readouterr().err == f"{where}: the trials take about 2.0 MB of disk (2 checkpoints); 3.0 MB are free\n"
    )


@pytest.mark.usefixtures("home")
def test_what_cannot_be_known_is_left_out() -> None:
    assert needs_of(config_of("local_trial", "local", trainingService={"platform": "remote"}), FOLDER) == []
    assert needs_of(config_of("local_trial"), FOLDER) == []
    for options in ("--data-root /nowhere", "--network none", "--sample-rate x", "--data-root ''"):
        config = config_of(f"local_trial {options}", "local")
        assert needs_of(config, FOLDER)[0].what == "1.5 MB of logs"
    assert len(needs_of(config_of("local_trial --data-root /nowhere", "local"), FOLDER)) == 1


@pytest.mark.parametrize("path", sorted((REPOSITORY / "experiments").glob("*.yml")), ids=lambda path: path.stem)
def test_all_our_experiments_can_be_estimated(path: Path) -> None:
    assert needs_of(read_config(path), path.parent)[0].size > 0


def test_sizes_are_those_of_the_disk(tmp_path: Path) -> None:
    assert size_of(tmp_path / "nowhere") == 0
    empty = size_of(tmp_path)
    (tmp_path / "file").write_bytes(os.urandom(100_000))
    (tmp_path / "link").symlink_to(REPOSITORY)
    assert 100_000 <= size_of(tmp_path) - empty < 120_000
    assert [size(number) for number in (300, 9_876_000, 29e9)] == ["0.3 kB", "9.9 MB", "29 GB"]
