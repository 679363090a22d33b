"""What a drill on other hosts compares, and where it sees trials; the trials are made up."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from nni_api.records import Records
from tests.drills.faults import judge
from tests.drills.nni_home import wait_for
from tests.drills.remote.drills import local_on_two_hosts
from tests.drills.remote.search import ComparedSearch, in_training, listening, places, resumed_after, times_begun
from tests.drills.remote.ssh_host import SshHost
from trials.training.checkpoint import save_torch

TRIAL = "import time; time.sleep(600)"


class Ended(ComparedSearch):
    """A chain of one iteration, with this probability, weight and accuracy of the first of two epochs."""

    def __init__(self, folder: Path, probability: float = 0.25, weight: float = 1.0, accuracy: float = 40.0) -> None:
        super().__init__(folder, "local")
        experiment = self.home / "nni-experiments" / "Ab3dE"
        (experiment / "checkpoint").mkdir(parents=True)
        records = Records(experiment / "checkpoint")
        known: dict[str, Any] = {"uid": 0, "structure": {"s1l0": 1, "s1l1": 2}}
        records.write("started", resumed=False, refusal=None)
        records.write("proposed", **known, chain=0, iteration=0, split=1, seed=0)
        records.write(
            "finished",
            **known,
            trial="t0",
            metrics={"default": 50.0},
            epochs=[{"acc": accuracy}, {"acc": 50.0}],
            seconds=1.0,
            probabilities={"s1l0": [probability, 1 - probability]},
        )
        weights = {"network": {"a": torch.tensor([weight, 2.0])}, "step": torch.tensor(3)}
        save_torch(experiment / "chains" / "chain_0" / "iteration_0.pt", {"training": weights, "classes": ["walk"]})

    def is_done(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("other", "best"),
    [
        ({}, "same"),
        ({"probability": 0.25 + 2**-50}, "other numbers"),
        ({"weight": 1 + 2**-23}, "other numbers"),
        ({"accuracy": 40.0 + 2**-40}, "other numbers"),
    ],
)
def test_one_bit_makes_a_difference(other: dict[str, float], best: str, tmp_path: Path) -> None:
    right, search = Ended(tmp_path / "here"), Ended(tmp_path / "there", **other)
    row = judge("local-on-two-hosts", local_on_two_hosts, search, right)
    assert (row.best, row.passed) == (best, best == "same")


def test_a_checkpoint_that_did_not_come_home_is_missed(tmp_path: Path) -> None:
    right, search = Ended(tmp_path / "here"), Ended(tmp_path / "there")
    next(search.home.rglob("*.pt")).unlink()
    assert judge("local-on-two-hosts", local_on_two_hosts, search, right).best == "another"


def test_notes_are_told_below_the_table(tmp_path: Path) -> None:
    search = Ended(tmp_path)
    search.notes.append("noticed after 1.0 s")
    assert judge("local-on-two-hosts", local_on_two_hosts, search, search).said == ("noticed after 1.0 s",)


def write_printed(search: ComparedSearch, trial: str, text: str) -> None:
    folder = search.home / "nni-experiments" / "Ab3dE" / "environments" / "local-env" / "trials" / trial
    folder.mkdir(parents=True)
    (folder / "trial.stderr").write_text(text)


def test_where_trials_are_is_what_they_say(tmp_path: Path) -> None:
    search, one, two = ComparedSearch(tmp_path), SshHost(tmp_path, 1), SshHost(tmp_path, 2)
    write_printed(search, "a", f"on {one.name}\nepoch 1/9: on {two.name}\non {two.name}\nx: resumed after epoch 1\n")
    write_printed(search, "b", f"waiting\non {one.name}\n")
    assert places(search) == {"a": [one.name, two.name], "b": [one.name]}
    assert (times_begun(search, one), times_begun(search, two)) == (2, 1)
    assert resumed_after(search) == [1]


@pytest.mark.parametrize(
    ("printed", "number"),
    [
        ("", None),
        ("on {one}\n", None),
        ("on {one}\nepoch 1/9: loss\n", 1),
        ("on {one}\n" + "epoch 1/9: loss\n" * 8, 1),
        ("on {one}\n" + "epoch 1/9: loss\n" * 9, None),
        ("on {one}\nepoch 1/9: loss\non {two}\n", None),
        ("on {one}\nepoch 1/9: loss\non {two}\nepoch 2/9: loss\n", 2),
    ],
)
def test_a_trial_is_struck_early_in_its_training(printed: str, number: int | None, tmp_path: Path) -> None:
    search = ComparedSearch(tmp_path)
    hosts = SshHost(tmp_path, 1), SshHost(tmp_path, 2)
    write_printed(search, "a", printed.format(one=hosts[0].name, two=hosts[1].name))
    write_printed(search, "ended", f"on {hosts[0].name}\nepoch 1/9: loss\n")
    environment = {**search.environment(), "NNI_TRIAL_JOB_ID": "a"}
    with subprocess.Popen([sys.executable, "-c", TRIAL, "a_trial"], env=environment) as process:
        found = in_training(search, hosts)
        process.kill()
    assert found == (None if number is None else ("a", hosts[number - 1]))


def test_what_listens_is_seen_here_and_on_the_hosts(tmp_path: Path) -> None:
    search, host = ComparedSearch(tmp_path), SshHost(tmp_path / "host", 1)
    code = "import socket, sys, time; s = socket.create_server((sys.argv[1], 0)); time.sleep(600)"
    manager = [sys.executable, "-c", code, "127.0.0.1", "--experiments-directory"]
    other = [sys.executable, "-c", code, "0.0.0.0"]
    there = {**search.environment(), "HOME": str(host.home)}
    assert listening(search, [host]) == set()
    with (
        subprocess.Popen(manager, env=search.environment()) as one,
        subprocess.Popen(other, env=there) as two,
        socket.create_server(("127.0.0.1", 0)),  # nobody's of the search
    ):
        expected = {("NNI's manager", "127.0.0.1"), (" ".join(other), "0.0.0.0")}
        wait_for(lambda: listening(search, [host]) == expected, 30)
        one.kill()
        two.kill()
