"""A folder of good files, which is the working directory of each test of bad input; and how a command ends there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from common.bad_input import KnownFailure
from experiments import launch, plan
from tests.bad_input.workspace import make_workspace, run_here
from tests.trials.conftest import Outcome


@pytest.fixture(scope="session")
def shared_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One good file of every kind. A test that damages one puts it back: a copy for each test takes far longer."""
    folder = tmp_path_factory.mktemp("good")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_workspace(folder, patch)
    return folder


@pytest.fixture
def own_files(shared_files: Path, tmp_path: Path) -> Path:
    """A copy of the good files, of the test's own."""
    folder = tmp_path / "work"
    shutil.copytree(shared_files, folder)
    register = folder / "home" / "nni-experiments" / ".experiment"
    register.write_text(register.read_text().replace(str(shared_files), str(folder)))
    return folder


Ending = Callable[..., Outcome]
"""``ending(folder, main, "--option", value)``: how a command ends in a folder of good files, and what it says."""


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ending:
    def start(*_: object) -> None:
        raise KnownFailure("NNI would be started now")

    def run(folder: Path, main: Callable[[], None], *words: object) -> Outcome:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("HOME", str(folder / "home"))
        monkeypatch.setenv("G2L_DATA_ROOT", "")  # a pipeline sets it for its trials: put back afterwards
        monkeypatch.setattr("nni_api.register.PAUSE_SECONDS", 0)
        monkeypatch.setattr(plan, "FOLDER", folder / "experiments")
        monkeypatch.setattr(launch, "running", start)
        capsys.readouterr()
        code = run_here(main, *words, patch=monkeypatch)
        return Outcome(code, *capsys.readouterr())

    return run
