"""Machines and code in an experiment's folder: as they were written, or damaged."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from common.bad_input import BadInput
from machines import experiment_files
from machines.code import Code, pack
from machines.experiment_files import MACHINES, read, wait_for, write
from machines.machine_list import RemoteMachine

FULL = RemoteMachine("gpu1", 22, "me", Path("/key"), "ssh-ed25519 AA", "/p/python3", "/data", "/cache", (1, 0), 4, True)


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Code:
    root = tmp_path_factory.mktemp("root")
    (root / "a.py").write_text("a")
    return pack(root)


def test_they_are_as_they_were(tmp_path: Path, code: Code) -> None:
    assert read(tmp_path) is None
    machines = [FULL, RemoteMachine("gpu2")]
    write(tmp_path, machines, code)
    assert read(tmp_path) == (machines, code)


def test_fewer_machines_take_the_place_of_more(tmp_path: Path, code: Code) -> None:
    write(tmp_path, [FULL, RemoteMachine("gpu2")], code)
    write(tmp_path, [RemoteMachine("gpu2")], code)
    assert read(tmp_path) == ([RemoteMachine("gpu2")], code)


@pytest.mark.parametrize(
    "change",
    [
        {"machines": []},
        {"machines": None},
        {"machines": [{}]},
        {"machines": ["gpu1"]},
        {"machines": [{"host": "gpu1"}]},
        {"code": None},
        {"code": "0123456789abcdef"},
        {"code": "../expid/code"},
    ],
    ids=str,
)
def test_damage_is_told_with_what_to_do(change: dict[str, Any], tmp_path: Path, code: Code) -> None:
    write(tmp_path, [FULL], code)
    path = tmp_path / MACHINES
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(BadInput) as refused:
        read(tmp_path)
    assert str(refused.value) == f"{path}: damaged; resume the experiment with --machines FILE"


@pytest.mark.parametrize("text", ["", "{", "[]", "1", '{"machines": []}'])
def test_another_file_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / MACHINES).write_text(text)
    with pytest.raises(BadInput, match=f"^{tmp_path / MACHINES}: "):
        read(tmp_path)


@pytest.mark.parametrize("archive", [None, b"", b"other"])
def test_code_that_is_missing_or_damaged_is_refused(archive: bytes | None, tmp_path: Path, code: Code) -> None:
    write(tmp_path, [FULL], code)
    path = tmp_path / f"code-{code.name}.tgz"
    path.unlink() if archive is None else path.write_bytes(archive)
    with pytest.raises(BadInput, match="damaged; resume the experiment with --machines FILE"):
        read(tmp_path)


def test_a_trial_may_be_earlier_than_they_are(tmp_path: Path, code: Code) -> None:
    later = threading.Timer(0.05, write, (tmp_path, [FULL], code))
    later.start()
    assert wait_for(tmp_path) == ([FULL], code)
    later.join()


def test_a_trial_of_an_experiment_without_them_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment_files, "WAIT_SECONDS", 0.0)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with pytest.raises(BadInput, match=f"^{tmp_path / MACHINES}: missing; start the experiment with --machines FILE$"):
        wait_for(tmp_path)
