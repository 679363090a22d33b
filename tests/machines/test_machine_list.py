"""Machine lists: what they say is read as meant, or refused in one line, whatever is in the file."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.bad_input import BadInput
from machines.machine_list import ELSEWHERE, FIELDS, RemoteMachine, machines_of, read_machines


def one(folder: Path = Path("/"), **fields: Any) -> RemoteMachine:
    (machine,) = machines_of([{"host": "gpu1", **fields}], folder)
    return machine


def test_a_machine_with_everything(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "mine").touch()
    path = tmp_path / "machines.yml"
    path.write_text("""
machineList:
  - host: gpu1.example.org
    port: 2222
    user: me
    sshKeyFile: keys/mine
    hostKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA+/=
    pythonPath: /venv/bin/
    dataRoot: /data
    cache: /scratch
    gpuIndices: 2,0
    maxTrialNumberPerGpu: 3
  - host: "::1"
""")
    first, second = read_machines(path)
    assert first == RemoteMachine(
        host="gpu1.example.org",
        port=2222,
        user="me",
        key=tmp_path / "keys" / "mine",
        host_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA+/=",
        python="/venv/bin/python3",
        data_root="/data",
        cache="/scratch",
        gpus=(2, 0),
        trials=6,
    )
    assert second == RemoteMachine("::1")
    assert (first.name, second.name) == ("gpu1.example.org:2222", "::1")


def test_a_machine_with_our_files_has_our_python(tmp_path: Path) -> None:
    assert one(sharedFiles=True).python == sys.executable
    assert one(sharedFiles=True, pythonPath="/other").python == "/other/python3"
    assert one(sharedFiles=False).python == "python3"
    assert not one(tmp_path).shared_files


@pytest.mark.parametrize(
    ("fields", "trials", "visible"),
    [
        ({}, 1, [None]),
        ({"trials": 2}, 2, [None, None]),
        ({"gpuIndices": 3}, 1, ["3"]),
        ({"gpuIndices": "0, 1"}, 2, ["0", "1"]),
        ({"gpuIndices": [1, 0]}, 2, ["1", "0"]),
        ({"gpuIndices": [0, 1], "maxTrialNumberPerGpu": 2}, 4, ["0", "1", "0", "1"]),
        ({"gpuIndices": [0, 1], "trials": 3}, 3, ["0", "1", "0"]),
        ({"gpuIndices": [4, 5], "trials": 1}, 1, ["4"]),
    ],
)
def test_each_place_sees_one_gpu(fields: dict[str, Any], trials: int, visible: list[str | None]) -> None:
    machine = one(**fields)
    assert machine.trials == trials
    assert [machine.visible_gpus(slot) for slot in range(trials)] == visible


@pytest.mark.parametrize(
    "fields",
    [
        # ssh would read them as options, or as several words.
        {"host": "-oProxyCommand=touch /tmp/x"},
        {"host": "-J evil"},
        {"host": "a b"},
        {"host": "a;b"},
        {"host": "me@gpu1"},
        {"host": "gpu1\n"},
        {"host": "*"},
        {"user": "-oProxyCommand=x"},
        {"user": "a b"},
        {"user": ""},
        {"hostKey": "ssh-ed25519 AAAA\n* ssh-ed25519 BBBB"},
        {"hostKey": "@cert-authority"},
        {"hostKey": "* ssh-ed25519 AAAA"},
        {"port": 0},
        {"port": 65536},
        {"port": True},
        {"port": "22"},
        {"port": 22.0},
        {"sshKeyFile": "missing"},
        {"sshKeyFile": "~nobody_of_that_name/key"},
        {"sshKeyFile": "a" * 5000},
        {"sshKeyFile": "."},
        {"pythonPath": "~/venv/bin"},
        {"pythonPath": "venv/bin"},
        {"pythonPath": "/venv\0"},
        {"pythonPath": "/venv\n/bin"},
        {"pythonPath": ["/venv"]},
        {"dataRoot": "data"},
        {"dataRoot": "\ud800"},
        {"cache": "-rf"},
        {"trials": 0},
        {"trials": -1},
        {"trials": 1.5},
        {"trials": True},
        {"gpuIndices": "a"},
        {"gpuIndices": "0,0"},
        {"gpuIndices": "-1"},
        {"gpuIndices": ""},
        {"gpuIndices": [0.5]},
        {"gpuIndices": [True]},
        {"gpuIndices": [float("inf")]},
        {"gpuIndices": [[0]]},
        {"gpuIndices": "9" * 5000},
        {"maxTrialNumberPerGpu": 2},
        {"maxTrialNumberPerGpu": 2, "gpuIndices": 0, "trials": 2},
        {"maxTrialNumberPerGpu": 0, "gpuIndices": 0},
        {"sharedFiles": "yes"},
        {"sharedFiles": 1},
        {"unknown": 1},
        {1: 2},
        *({name: "x"} for name in ELSEWHERE),
    ],
    ids=str,
)
def test_what_will_not_do_is_refused_by_its_name(fields: dict[Any, Any], tmp_path: Path) -> None:
    with pytest.raises(BadInput) as refused:
        machines_of([{"host": "gpu1"}, {"host": "gpu2", **fields}], tmp_path)
    assert str(refused.value).startswith("machineList, machine 2: ")
    assert any(str(name) in str(refused.value) for name in fields)


def test_what_is_to_be_done_instead_is_said() -> None:
    with pytest.raises(BadInput, match=r"^machineList, machine 1: password: log in with a key \(sshKeyFile\)"):
        one(password="secret")


@pytest.mark.parametrize("listed", [None, [], {}, "gpu1", [None], ["gpu1"], [{}], [{"port": 22}], [["host", "a"]]])
def test_what_is_no_list_of_machines_is_refused(listed: Any) -> None:
    with pytest.raises(BadInput, match=r"^machineList"):
        machines_of(listed, Path())


def test_a_machine_comes_once() -> None:
    with pytest.raises(BadInput, match=r"gpu1 comes twice; trials: N lets one machine run N side by side"):
        machines_of([{"host": "gpu1", "user": "a"}, {"host": "gpu2"}, {"host": "gpu1", "user": "b"}], Path())
    assert len(machines_of([{"host": "gpu1", "port": 1}, {"host": "gpu1", "port": 2}], Path())) == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("machineList: [", "not a YAML file: "),
        ("- host: gpu1\n", "it must have machineList, and nothing else"),
        ("machineList: [{host: gpu1}]\nplatform: remote\n", "it must have machineList, and nothing else"),
        ("machineList: [{host: gpu1, host: gpu2}]\n", "not a YAML file: 'host' comes twice"),
        ("machineList: [{host: no}]\n", "machineList, machine 1: host: False will not do"),
    ],
)
def test_a_bad_file_is_named(text: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "machines.yml"
    path.write_text(text)
    with pytest.raises(BadInput) as refused:
        read_machines(path)
    assert str(refused.value).startswith(f"{path}: {reason}")


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
MACHINE = st.dictionaries(st.sampled_from([*FIELDS, *ELSEWHERE, "x"]), ANY, max_size=4).flatmap(
    lambda fields: st.sampled_from([fields, {"host": "gpu1", **fields}])
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(content=ANY | st.fixed_dictionaries({"machineList": ANY | st.lists(MACHINE, max_size=3)}))
def test_any_file_gives_machines_or_one_line(content: Any, tmp_path: Path) -> None:
    path = tmp_path / "machines.yml"
    path.write_text(yaml.safe_dump(content))
    try:
        machines = read_machines(path)
    except BadInput as fault:
        refused = str(fault)
    else:
        refused = ""
        assert len({machine.name for machine in machines}) == len(machines) > 0
    assert not refused or refused.startswith(f"{path}: ")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(text=st.text(max_size=60))
def test_any_text_gives_machines_or_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "machines.yml"
    path.write_text(f"machineList:\n  - host: {text}", encoding="utf-8", errors="replace")
    with suppress(BadInput):
        assert read_machines(path)
