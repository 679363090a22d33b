"""Real NNI experiments in the tests: a home folder of their own, and no process that outlives a test."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home folder of its own, so that nothing of the user's experiments is touched; no process outlives the test."""
    folder = tmp_path / "home"
    (folder / "trained").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    yield folder
    left = processes_of(folder)
    commands = [" ".join(process.cmdline()) for process in left]
    for process in left:
        process.kill()
    assert commands == []


def processes_of(home: Path) -> list[psutil.Process]:
    """The processes, living ones only, that have this home folder."""
    return [process for process in psutil.process_iter() if _home_of(process) == str(home)]


def _home_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get("HOME") if process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None
