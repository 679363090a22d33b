from __future__ import annotations

import sys

import pytest

from common.bad_input import run_command
from tests.drills.remote import __main__ as remote
from tests.drills.remote.drills import UNDISTURBED


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["remote", *words])
    with pytest.raises(SystemExit) as exited:
        run_command(remote.main)
    assert isinstance(exited.value.code, int)
    return exited.value.code


def test_it_is_skipped_with_a_reason_where_there_can_be_no_hosts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(remote, "why_none", lambda: "no sshd: install it")
    assert run(monkeypatch) == 0
    assert capsys.readouterr() == ("", "skipped: no sshd: install it\n")


def test_an_unknown_drill_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "host-silent", "nothing") == 2
    assert capsys.readouterr().err == "error: no such drill: 'nothing' (see --help)\n"


def test_a_drill_that_fails_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks(_: object) -> None:
        raise RuntimeError("these listened: ...")

    monkeypatch.setattr(remote, "why_none", lambda: None)
    monkeypatch.setitem(remote.DRILLS, "host-silent", breaks)
    assert run(monkeypatch, "host-silent") == 1
    printed = capsys.readouterr()
    assert printed.err.endswith("error: failed: host-silent\n")
    assert "these listened: ..." in printed.out


def test_there_is_an_undisturbed_run_for_each_kind_of_search() -> None:
    assert UNDISTURBED.keys() == {"global", "local", "final"}
