"""The folder of a run: its settings and phases, its state, and that one pipeline at a time works in it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from common.bad_input import BadInput
from experiments.run_folder import Run, locked
from tests.conftest import write_dataset
from tests.experiments.small_steps import SETTINGS
from tests.forked import shell


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "mine"


def test_a_run_of_other_settings_is_refused(folder: Path) -> None:
    Run(folder, SETTINGS).note("global_split1", mark="00c0ffee", begun=0.0)
    with pytest.raises(BadInput, match=r"other settings \(splits\); choose another --name"):
        Run(folder, {**SETTINGS, "splits": [2]})


def test_a_run_keeps_its_phases(folder: Path) -> None:
    Run(folder, SETTINGS).note("global_split1", mark="00c0ffee", begun=0.0)
    assert Run(folder, {**SETTINGS, "phases": None}).phases == ["global", "final"]
    with pytest.raises(BadInput, match=r"other settings \(phases\)"):
        Run(folder, {**SETTINGS, "phases": ["final"]})
    assert Run(folder / "new", {**SETTINGS, "phases": None}).phases == ["global", "local", "choice", "final"]


def test_a_damaged_state_is_refused(folder: Path) -> None:
    Run(folder, SETTINGS).note("global_split1", done=True)
    for text in ("", "[]", json.dumps({"settings": SETTINGS, "steps": []})):
        (folder / "pipeline.json").write_text(text)
        with pytest.raises(BadInput):
            Run(folder, SETTINGS)


def test_a_second_pipeline_of_the_same_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dataset(tmp_path / "data" / "small")
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "small"
    with locked(folder):
        second = shell("experiments.pipeline", "--dataset", "small", "--template", "demo")
    assert second.returncode == 2
    holder = f"another pipeline (process {os.getpid()}) is running there"
    assert second.stderr == f"error: {folder}: {holder}; wait for its end, or choose another --name\n"
    with locked(folder):
        pass
