from __future__ import annotations

import logging
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from strategies.adapter import data_check
from strategies.adapter.data_check import failed_check
from tests.conftest import REPOSITORY


def python(code: str, *arguments: str) -> str:
    """A command that runs some code."""
    return shlex.join(["python3", "-c", code, *arguments])


def test_no_command_no_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(subprocess, "run")
    assert failed_check(None) is None


def test_a_check_that_passes_says_nothing() -> None:
    assert failed_check(python("import sys; print('fine'); print('a warning', file=sys.stderr)")) is None


def test_a_check_that_fails_has_its_say() -> None:
    assert failed_check(python("import sys; print('noise'); sys.exit('error: no features')")) == "error: no features"


def test_a_silent_failure_is_named() -> None:
    command = python("raise SystemExit(2)")
    assert failed_check(command) == f"the check failed: {command}"


@pytest.mark.parametrize("command", ["no-such-command --split 1", "/etc/hostname"])
def test_a_command_that_cannot_run_is_named(command: str) -> None:
    message = failed_check(command)
    assert message is not None
    assert message.startswith("the check command cannot be run: ")
    assert repr(command.split()[0]) in message


def test_python3_is_the_tuners_python_in_the_repository() -> None:
    message = failed_check(python("import os, sys; sys.exit(f'{sys.executable} {os.getcwd()}')"))
    assert message == f"{sys.executable} {REPOSITORY}"


def test_no_shell_reads_the_command(tmp_path: Path) -> None:
    words = ["$HOME", "*", ";", "touch", str(tmp_path / "touched"), "&&", "`ls`"]
    command = "python3 -c 'import sys; sys.exit(str(sys.argv[1:]))' " + " ".join(words)
    assert failed_check(command) == str(words)
    assert list(tmp_path.iterdir()) == []


def test_a_slow_check_is_given_up(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(data_check, "TIME_LIMIT", 0.1)
    started = time.monotonic()
    with caplog.at_level(logging.WARNING):
        assert failed_check(python("import time; time.sleep(60)")) is None
    assert time.monotonic() - started < 30
    assert "the check did not end within 0.1 s and is skipped" in caplog.text


@pytest.mark.parametrize("command", ["", "python3 -c 'print(", python("import os; os.write(2, b'\\xff'); os._exit(1)")])
def test_a_strange_command_is_refused_with_a_message(command: str) -> None:
    assert failed_check(command)
