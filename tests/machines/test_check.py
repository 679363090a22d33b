"""Machines are compared with this one before anything starts there; each difference is told in one line."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from common.bad_input import BadInput
from machines import check as module
from machines.check import asked_of, check_machines, describe, gpus_of
from machines.code import FOLDER, Code
from machines.facts import facts_of
from machines.gpus import Gpu
from machines.machine_list import RemoteMachine
from tests.conftest import REPOSITORY
from tests.machines.conftest import CODE, Hosts
from tests.trials.changes import CHANGES

GPUS: list[dict[str, Any]] = [
    {"index": index, "uuid": f"GPU-{index}", "memory": "0 MiB of 9 MiB", "name": "H100"} for index in (0, 1)
]


@pytest.fixture
def words(small_dataset: Path) -> list[str]:
    data = ["--dataset", "small", "--data-root", str(small_dataset.parent)]
    return ["python3", "-m", "trials.search_trial", "--split", "1", *data]


@pytest.fixture
def facts(words: list[str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What each machine says, unless a test changes it: what this one would."""
    said = facts_of(asked_of(words, [1]))
    said |= {"clock": 0.0, "gpus": [], "no_gpu": "there is none", "to_pack": 5, "free": 10}
    monkeypatch.setattr(module, "_facts", lambda *_: said)
    return said


def checked(words: list[str], **fields: Any) -> dict[str, Any]:
    machine = RemoteMachine("one", **fields)
    return check_machines([machine], CODE, words, [1])[machine]


def test_equal_machines_are_described(words: list[str], facts: dict[str, Any]) -> None:
    facts |= {"cores": 8, "python": f"{facts['python'].rpartition('.')[0]}.99", "free": 12_000_000_000, "clock": -0.26}
    packages = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    assert describe(RemoteMachine("one", port=7, trials=3), checked(words)) == (
        f"one:7: 3 trials side by side on 8 cores, no GPU; Python {facts['python']}, {packages}; "
        "the same data (6 videos), 12.0 GB free for the packed features, clock -0.3 s"
    )
    facts |= {"gpus": GPUS, "no_gpu": None}
    assert " cores, GPU 1 H100; " in describe(RemoteMachine("one", gpus=(1,)), facts)
    assert " cores, GPU 0 H100, GPU 1 H100; " in describe(RemoteMachine("one"), facts)


def test_builds_of_pytorch_are_one_version(words: list[str], facts: dict[str, Any]) -> None:
    release = facts["packages"]["torch"].partition("+")[0]
    facts["packages"] = {**facts["packages"], "torch": f"{release}+cu130"}
    assert checked(words)["packages"]["torch"] == f"{release}+cu130"


@pytest.mark.parametrize(
    ("change", "fields", "fault"),
    [
        ({"python": "3.9.1"}, {}, r"Python 3\.9\.1, but .* here: give the pythonPath of an equal one"),
        ({"packages": {"numpy": "1.0"}}, {}, r"numpy 1\.0, but .* here: install requirements.txt"),
        ({"packages": {"torch": None}}, {"python": "/p/python3"}, "torch is missing, but .* there, for /p/python3"),
        ({"fault": "/data/small: no such folder"}, {}, r"/data/small: no such folder \(dataRoot names the folder"),
        ({"digest": "other"}, {}, "is not the same data as .*: copy it anew"),
        ({"free": 4}, {}, r"the packed features take 0\.0 GB, and 0\.0 GB are free: make room, or name another cache"),
        ({"gpus": GPUS, "no_gpu": None}, {"gpus": (0, 2)}, r"gpuIndices: 2, but it has GPUs \[0, 1\]"),
        ({}, {"gpus": (0,)}, r"gpuIndices: 0, but it has GPUs \[\]"),
    ],
)
def test_a_difference_is_refused(
    change: dict[str, Any], fields: dict[str, Any], fault: str, words: list[str], facts: dict[str, Any]
) -> None:
    packages = facts["packages"] | change.pop("packages", {})
    facts |= {**change, "packages": packages}
    with pytest.raises(BadInput, match=f"^one: .*{fault}"):
        checked(words, **fields)


def test_a_gpu_that_trials_ask_for_must_be_there(words: list[str], facts: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=r"^one: trialCommand: --device cuda, but there is none$"):
        checked([*words, "--device", "cuda"])
    facts |= {"gpus": GPUS, "no_gpu": None}
    checked([*words, "--device", "cuda"], gpus=(0, 1))
    with pytest.warns(UserWarning, match="^one: gpuIndices is missing: its trials see all GPUs, and use the first"):
        checked(words)
    checked([*words, "--device", "cpu"])


@pytest.mark.parametrize("clock", [61.0, -3600.0])
def test_a_clock_that_is_wrong_is_warned_of(clock: float, words: list[str], facts: dict[str, Any]) -> None:
    facts["clock"] = clock
    with pytest.warns(UserWarning, match=rf"^one: its clock differs from this one's by \{clock:+.0f} s$"):
        checked(words)


@pytest.mark.parametrize(
    "said", [{}, {"python": 3}, {"python": "3.11.1", "packages": None}, {"python": "3.11.1", "packages": {}}]
)
def test_facts_that_are_none_are_refused(
    said: dict[str, Any], words: list[str], facts: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if "python" in said and isinstance(said["python"], str):
        said["python"] = facts["python"]
    monkeypatch.setattr(module, "_facts", lambda *_: said)
    with pytest.raises(BadInput, match=r"^one: it does not say what it has"):
        checked(words)


def test_faults_of_the_data_here_come_first(words: list[str], small_dataset: Path) -> None:
    shutil.rmtree(small_dataset / "features")
    with pytest.raises(BadInput, match=f"^{small_dataset}"):
        checked(words)


def test_what_a_machine_says_does_not_rule_the_terminal(words: list[str], facts: dict[str, Any]) -> None:
    facts |= {"cores": "\x1b[2J\n8"}
    assert describe(RemoteMachine("one"), checked(words)).isprintable()


def test_which_gpus_trials_use() -> None:
    first, second = (Gpu(**each) for each in GPUS)
    assert gpus_of(RemoteMachine("one"), {"gpus": GPUS}) == [first]
    assert gpus_of(RemoteMachine("one", gpus=(1,)), {"gpus": GPUS}) == [second]
    assert gpus_of(RemoteMachine("one", gpus=(1, 0)), {"gpus": GPUS}) == [first, second]
    assert gpus_of(RemoteMachine("one"), {"gpus": []}) == []


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ([], []),
        (["--dataset", "a", "--split", "1", "--epochs=2"], ["--dataset", "a"]),
        (["--dataset=a", "--sample-rate", "2"], ["--dataset", "a", "--sample-rate", "2"]),
        (["--no-cache", "--dataset", "a"], ["--dataset", "a", "--no-cache"]),
        (["--cache", "/c", "--feature-dtype", "float16"], ["--feature-dtype", "float16", "--cache", "/c"]),
    ],
)
def test_a_machine_is_asked_for_the_data_that_trials_read(given: list[str], asked: list[str]) -> None:
    assert asked_of(["python3", "-m", "trials.search_trial", *given], [1, 3]) == ["--splits", "1", "3", *asked]


# Over the connection.


@pytest.fixture
def there(hosts: Hosts, small_dataset: Path, tmp_path: Path) -> RemoteMachine:
    """A machine with the same data elsewhere."""
    module._facts.cache_clear()
    shutil.copytree(small_dataset, tmp_path / "it's there" / "small")
    return hosts.add(code=REPOSITORY, data_root=str(tmp_path / "it's there"), cache=f"{tmp_path}/$(its) cache")


def test_a_machine_is_asked_once_and_answers_for_its_own_data(
    there: RemoteMachine, words: list[str], hosts: Hosts, tmp_path: Path
) -> None:
    for _ in range(2):
        (facts,) = check_machines([there], CODE, words, [1]).values()
    assert facts["data"] == str(tmp_path / "it's there" / "small")
    assert abs(facts["clock"]) < 1
    assert facts["to_pack"] < facts["free"]
    commands = (hosts.folder / "one" / "commands").read_text()
    assert commands.count("machines.facts") == 1
    assert not (tmp_path / "$(its) cache").exists()


def test_other_data_there_is_noticed(there: RemoteMachine, words: list[str], tmp_path: Path) -> None:
    CHANGES["groundTruth/p00-1.txt"](tmp_path / "it's there" / "small")
    with pytest.raises(BadInput, match=r"^one: .*it's there/small is not the same data as .*data/small here"):
        check_machines([there], CODE, words, [1])


def test_a_machine_that_cannot_be_reached_is_named_with_a_command(hosts: Hosts, words: list[str]) -> None:
    module._facts.cache_clear()
    with pytest.raises(BadInput, match=r"^two: ssh: connect to host two .*; check it with: .*ssh two true$"):
        check_machines([RemoteMachine("two")], CODE, words, [1])
    assert hosts.folder.exists()


@pytest.mark.parametrize("printed", ["", "Welcome!", "[]", "{", '{"clock": "now"}', '{"clock": null}', "5"])
def test_an_answer_that_is_none_is_told(printed: str, hosts: Hosts, words: list[str], tmp_path: Path) -> None:
    module._facts.cache_clear()
    python = tmp_path / "python3"
    python.write_text(f"#!/bin/sh\necho '{printed}'\n")
    python.chmod(0o755)
    machine = hosts.add(code=REPOSITORY, python=str(python))
    with pytest.raises(BadInput, match=r"^one: it does not say what it has, but: b'"):
        check_machines([machine], CODE, words, [1])


@pytest.mark.parametrize("ahead", [0, 500, -500])
def test_the_clock_is_off_by_what_is_certain(ahead: float, hosts: Hosts, tmp_path: Path) -> None:
    module._facts.cache_clear()
    python = tmp_path / "python3"
    program = f"import json, time; print(json.dumps({{'clock': time.time() + {ahead}}}))"
    python.write_text(f"#!{sys.executable} -IS\n{program}\n")
    python.chmod(0o755)
    start = time.time()
    facts = module._facts(hosts.add(code=REPOSITORY, python=str(python)), CODE, ())
    took = time.time() - start
    assert 0 <= abs(ahead) - abs(facts["clock"]) <= took
    assert facts["clock"] * ahead >= 0


def test_a_machine_with_our_files_is_sent_no_code(
    hosts: Hosts, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module._facts.cache_clear()
    machine = hosts.add(shared_files=True)
    monkeypatch.setattr(module, "ROOT", REPOSITORY)
    check_machines([machine], Code(b"", "f" * 16), words, [1])
    assert not list((hosts.folder / "one" / FOLDER).iterdir())
    assert "tar" not in (hosts.folder / "one" / "commands").read_text()
