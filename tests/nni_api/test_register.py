from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from common.bad_input import BadInput
from nni_api import register as nni_register
from nni_api.register import Registered, read_register

KNOWN = {"id": "Ab3dE", "experimentName": "a search", "logDir": "/logs", "port": 8080, "pid": 7, "status": "RUNNING"}


@pytest.fixture
def register(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(nni_register, "PAUSE_SECONDS", 0)
    path = tmp_path / "nni-experiments" / ".experiment"
    path.parent.mkdir()
    return path


def test_experiments_are_read_as_nni_wrote_them(register: Path) -> None:
    # NNI takes port and process away from an experiment that was stopped.
    stopped = {"experimentName": None, "logDir": "/logs", "port": None, "status": "STOPPED"}
    register.write_text(json.dumps({"Ab3dE": KNOWN, "other": stopped}))
    assert read_register() == {
        "Ab3dE": Registered("Ab3dE", "a search", Path("/logs/Ab3dE"), 8080, 7, stopped=False),
        "other": Registered("other", "", Path("/logs/other"), 0, 0, stopped=True),
    }


def test_before_the_first_experiment_there_is_no_register(register: Path) -> None:
    assert read_register() == {}
    assert list(register.parent.iterdir()) == []  # and none is made


def test_a_register_that_is_being_written_is_read_again(register: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register.write_text('{"Ab3dE": {"id"')
    monkeypatch.setattr("time.sleep", lambda _: register.write_text(json.dumps({"Ab3dE": KNOWN})))
    assert list(read_register()) == ["Ab3dE"]


@pytest.mark.parametrize("content", [[], {"Ab3dE": 1}, {"Ab3dE": {}}, {"Ab3dE": {**KNOWN, "pid": "7"}}])
def test_what_is_no_register_is_refused(register: Path, content: Any) -> None:
    register.write_text(json.dumps(content))
    with pytest.raises(BadInput, match=f"^{register}: not NNI's register of experiments, or damaged; restore it"):
        read_register()
