"""A local search whose trial, tuner and manager are killed and which is stopped, against the same one undisturbed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from analysis.history import read_history
from nas_space.networks import find_network
from nas_space.space import local_space, to_nni
from tests.conftest import REPOSITORY, write_dataset
from tests.drills.nni_home import (
    Kind,
    find,
    history_of,
    is_manager,
    is_trial,
    is_tuner,
    launch,
    only_experiment,
    processes_of,
    wait_for,
)
from tests.experiments.test_nni_experiment import finish
from trials import local_search

SEEDS = (0, 1)
ITERATIONS = 4
NETWORK = find_network("ms-tcn:stages=1,layers=2")
DATA = f"--dataset tiny --network {NETWORK} --device cpu --threads 1 --batch-size 1 --epochs 3"
TRAINING = f"{DATA} --learning-rate 0.02"
RATE = 0.5


@pytest.fixture
def data_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_dataset(tmp_path / "data" / "tiny", train=8, test=2, frames=(300, 400))
    monkeypatch.setenv("G2L_DATA_ROOT", str(tmp_path / "data"))
    return tmp_path / "data"


def write_config(home: Path) -> Path:
    """Two chains on two workers."""
    chains = {"starts": ["hand"], "splits": [1], "seeds": list(SEEDS), "iterations": ITERATIONS}
    arguments = {**chains, "expand_rate": RATE, "network": str(NETWORK), "retries": 3}
    config = {
        "experimentName": "drills",
        "trialCommand": f"python3 -m trials.local_trial {TRAINING}",
        "trialCodeDirectory": str(REPOSITORY),
        "trialConcurrency": 2,
        "searchSpace": to_nni(local_space(NETWORK)),
        "tuner": {
            "className": "strategies.tuners.LocalTuner",
            "codeDirectory": str(REPOSITORY),
            "classArgs": arguments,
        },
        "trainingService": {"platform": "local"},
    }
    path = home / "drills.yml"
    path.write_text(yaml.safe_dump(config))
    return path


def kill(home: Path, kind: Kind) -> None:
    """Kill one process of that kind as soon as there is one."""
    wait_for(lambda: bool(find(home, kind)))
    find(home, kind)[0].kill()


def undisturbed(seed: int, output: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The iterations of the same chain in this process, without NNI."""
    words = f"--split 1 --structure hand --seed {seed} --iterations {ITERATIONS} --expand-rate {RATE} {TRAINING}"
    monkeypatch.setattr(sys, "argv", ["local_search", *words.split(), "--output", str(output)])
    local_search.main()
    return json.loads((output / "local.json").read_text())["iterations"]


@pytest.mark.long
@pytest.mark.usefixtures("data_root")
def test_chains_survive_every_kill_bit_for_bit(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait_for_iterations(count: int) -> None:
        pattern = "nni-experiments/*/checkpoint/records.jsonl"
        wait_for(lambda: any(len(read_history(path.parent).evaluations) >= count for path in home.glob(pattern)))

    # A trial is killed in training: it is repeated, and the experiment goes on.
    same_command = write_config(home), "--id-file", tmp_path / "experiment"
    started = launch(*same_command)
    wait_for_iterations(1)
    kill(home, is_trial)
    wait_for_iterations(2)
    experiment = only_experiment(home)

    # The tuner is killed: NNI does not notice, but launch does.
    kill(home, is_tuner)
    _, errors = started.communicate(timeout=300)
    assert started.returncode == 1
    assert f"error: the tuner of experiment {experiment} was killed" in errors
    assert f"--resume {experiment}" in errors
    assert processes_of(home) == []

    # The manager is killed: its tuner and its trials do not stay behind.
    started = launch("--resume", experiment)
    wait_for_iterations(4)
    wait_for(lambda: bool(find(home, is_trial)))
    kill(home, is_manager)
    _, errors = started.communicate(timeout=300)
    assert started.returncode == 1
    assert f"error: NNI's manager of experiment {experiment} was killed" in errors
    assert processes_of(home) == []

    # All of it is stopped in the middle of an iteration, though NNI on another machine took it for stopped.
    started = launch("--resume", experiment)
    wait_for_iterations(5)
    wait_for(lambda: bool(find(home, is_trial)))
    register = home / "nni-experiments" / ".experiment"
    known = json.loads(register.read_text())
    register.write_text(json.dumps({experiment: {**known[experiment], "status": "STOPPED"}}))
    started.terminate()
    _, errors = started.communicate(timeout=300)
    assert f"--resume {experiment}" in errors
    assert "ended by process id" not in errors

    # The same command resumes the experiment that it has started.
    assert finish(launch(*same_command)) == experiment
    history = history_of(home, experiment)
    assert history.done
    assert {chain["why"] for chain in history.chains.values()} == {"done"}
    assert len(history.evaluations) == len(SEEDS) * ITERATIONS
    assert any(set(chain["structure"].values()) != {1, 2} for chain in history.chains.values())
    for chain, seed in enumerate(SEEDS):
        expected = undisturbed(seed, tmp_path / f"seed{seed}", monkeypatch)
        trained = [evaluation for evaluation in history.evaluations if evaluation.about["chain"] == chain]
        assert [evaluation.structure for evaluation in trained] == [row["structure"] for row in expected]
        assert [evaluation.metrics["acc"] for evaluation in trained] == [row["epochs"][-1]["acc"] for row in expected]
        assert history.chains[chain]["structure"] == expected[-1]["next"]
