"""What is freed is what nothing needs any more; experiments are made up, as NNI and our trials leave them."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.history import find_experiment, read_history
from common.bad_input import BadInput
from experiments import clean
from experiments.nni_experiment import Experiment
from experiments.run_folder import Run, locked
from nni_api.records import Records
from tests.analysis.records import write_global_records

Command = Callable[..., str]


@pytest.fixture
def nni(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of NNI's experiments, with a register of two that were stopped: ``Ab3dE`` and ``Fg4hI``."""
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "nni-experiments"
    stopped = {"experimentName": "a search", "logDir": str(folder), "port": None, "pid": None, "status": "STOPPED"}
    folder.mkdir()
    (folder / ".experiment").write_text(json.dumps({"Ab3dE": stopped, "Fg4hI": stopped}))
    return folder


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs the command; returns what it printed."""

    def run(*words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["clean", *map(str, words)])
        clean.main()
        return capsys.readouterr().out

    return run


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(100_000))
    return path


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def begin(experiment: Path) -> Records:
    (experiment / "checkpoint").mkdir(parents=True)
    records = Records(experiment / "checkpoint")
    records.write("started", resumed=False, refusal=None)
    return records


def local_search(experiment: Path) -> Records:
    """Three chains: one is done, one has ended for a failure, one goes on."""
    records = begin(experiment)
    for chain, why in ((0, "done"), (1, "an iteration failed")):
        records.write("chain_ended", chain=chain, why=why, iterations=2, structure={"s1l0": 1})
    for chain in range(3):
        for iteration in range(2):
            write(experiment / "chains" / f"chain_{chain}" / f"iteration_{iteration}.pt")
    return records


def test_only_chains_that_are_done_lose_their_checkpoints(nni: Path, command: Command) -> None:
    local_search(nni / "Ab3dE")
    before = files_of(nni)
    printed = command("Ab3dE")
    assert before - files_of(nni) == {f"Ab3dE/chains/chain_0/iteration_{number}.pt" for number in (0, 1)}
    checkpoints, freed = printed.splitlines()
    assert re.fullmatch(r"experiment Ab3dE: 2\d\d kB, checkpoints of finished searches \(2\)", checkpoints)
    assert re.fullmatch(r"freed 2\d\d kB", freed)


def test_a_local_search_that_is_done_loses_all_of_them(nni: Path, command: Command) -> None:
    local_search(nni / "Ab3dE").write("done")
    command("Ab3dE")
    assert not [path for path in files_of(nni) if path.endswith(".pt")]
    assert command("Ab3dE") == "freed 0.0 kB\n"


def test_trainings_that_go_on_keep_their_states(nni: Path, command: Command) -> None:
    records = begin(nni / "Ab3dE")
    for uid in (0, 1):
        records.write("proposed", uid=uid, structure={}, seed=uid + 7)
        write(nni / "Ab3dE" / "searches" / f"seed_{uid + 7}" / "search.pt")
    result = {"trial": "a", "structure": {"s1l0": 1}, "metrics": {"default": 1.0}, "epochs": [], "seconds": 1.0}
    records.write("finished", uid=0, **result)
    before = files_of(nni)
    command("Ab3dE")
    assert before - files_of(nni) == {"Ab3dE/searches/seed_7/search.pt"}


def test_results_and_what_a_resume_needs_stay(nni: Path, command: Command) -> None:
    experiment = nni / "Ab3dE"
    write_global_records(experiment / "checkpoint", [10.0, 30.0])
    best = read_history(find_experiment("Ab3dE")).best()
    kept = ["checkpoint/state.json", "db/nni.sqlite", "log/nnimanager.log", "progress.json"]
    kept.append("trials/a/output/tensorboard/events.out.tfevents.000000")
    for name in kept:
        write(experiment / name)
    write(experiment / "environments" / "local-env" / "trials" / "a" / "trial.stderr")
    assert "trial folders (1)" in command("Ab3dE")
    assert files_of(experiment) == {*kept, "checkpoint/records.jsonl"}
    assert read_history(find_experiment("Ab3dE")).best() == best


def test_a_dry_run_removes_nothing(nni: Path, command: Command) -> None:
    local_search(nni / "Ab3dE").write("done")
    before = files_of(nni)
    assert re.search(r"\nwould free 6\d\d kB\n$", command("Ab3dE", "--dry-run"))
    assert files_of(nni) == before


def test_links_are_left_alone(nni: Path, command: Command, tmp_path: Path) -> None:
    elsewhere = write(tmp_path / "elsewhere" / "iteration_0.pt")
    local_search(nni / "Ab3dE").write("done")
    (nni / "Ab3dE" / "chains" / "chain_3").symlink_to(elsewhere.parent)
    trials = nni / "Ab3dE" / "environments" / "local-env" / "trials"
    trials.mkdir(parents=True)
    (trials / "a").symlink_to(elsewhere.parent)
    command("Ab3dE")
    assert elsewhere.exists()


@pytest.mark.parametrize("alive", ["is_managed", "has_tuner"])
def test_an_experiment_that_runs_is_left_alone(
    alive: str, nni: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    local_search(nni / "Ab3dE").write("done")
    before = files_of(nni)
    monkeypatch.setattr(Experiment, alive, lambda _: True)
    with pytest.raises(BadInput, match="experiment Ab3dE is running, or its page is being viewed: 'nnictl stop Ab3dE'"):
        command("Ab3dE")
    assert files_of(nni) == before


def test_a_run_is_freed_of_what_its_experiments_and_trainings_left(nni: Path, command: Command, tmp_path: Path) -> None:
    local_search(nni / "Ab3dE").write("done")
    folder = tmp_path / "runs" / "mine"
    run = Run(folder, {"dataset": "demo"})
    run.note("local_split1", experiment={"id": "Ab3dE", "port": 0, "manager": 0}, done=True)
    run.note("local_split2", experiment={"id": "unknown", "port": 0, "manager": 0}, done=True)
    run.note("final", mark="00c0ffee", begun=0.0)
    ended, unfinished = (folder / "final" / "hand" / "split1" / f"seed{seed}" for seed in (0, 1))
    for name in ("training.pt", "model.pt", "metrics.json", "log.csv"):
        write(ended / name)
    write(unfinished / "training.pt")
    before = files_of(tmp_path)
    printed = command(folder)
    gone = before - files_of(tmp_path)
    assert {Path(name).name for name in gone} == {"iteration_0.pt", "iteration_1.pt", "training.pt"}
    assert len(gone) == 7
    assert "checkpoints of finished trainings (1)" in printed
    assert (unfinished / "training.pt").exists()


def test_a_run_that_is_at_work_is_left_alone(tmp_path: Path, command: Command) -> None:
    Run(tmp_path, {}).note("global_split1", mark="00c0ffee", begun=0.0)
    with locked(tmp_path), pytest.raises(BadInput, match="another pipeline"):
        command(tmp_path)


@pytest.mark.usefixtures("nni")
def test_what_is_neither_experiment_nor_run_is_refused(tmp_path: Path, command: Command) -> None:
    with pytest.raises(BadInput, match=r"not a run of experiments.pipeline"):
        command(tmp_path)
    with pytest.raises(BadInput, match="unknown experiment '--all'"):
        command("--", "--all")
