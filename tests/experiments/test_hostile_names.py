"""Names of data sets that a shell would read as something else."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import get_args

import pytest

from common.bad_input import BadInput
from experiments.plan import FOLDER, make_plan
from experiments.preflight import preflight
from experiments.steps import Phase
from machines.gpus import Machine
from strategies.adapter.data_check import failed_check
from tests.conftest import write_dataset

HOSTILE_NAMES = (
    "my data",
    "a; touch made",
    "$(touch made)",
    "`touch made`",
    "a' && touch made '",
    '"$HOME"',
    "*",
    "~",
    "#1",
)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_no_name_of_a_data_set_becomes_words_of_the_shell(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "python3").write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    (tmp_path / "python3").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    for step in make_plan(tmp_path / name, name, "demo", [3], get_args(Phase), [0]):
        preflight(step.config, FOLDER, "it", Machine())
        # As NNI starts trials on this machine (nni_node/common/trial_keeper/process.js).
        shell = ["/bin/bash", "-c", step.config["trialCommand"]]
        words = subprocess.run(shell, capture_output=True, text=True, check=True).stdout.splitlines()
        assert words[words.index("--dataset") + 1] == name
        if step.phase == "final":
            assert words[words.index("--output") + 1] == str(tmp_path / name / "final")
    assert [path.name for path in tmp_path.iterdir()] == ["python3"]


def test_a_hostile_name_passes_the_check_of_its_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "".join(HOSTILE_NAMES)
    write_dataset(tmp_path / name)
    monkeypatch.setenv("G2L_DATA_ROOT", str(tmp_path))
    (step,) = make_plan(tmp_path, name, "demo", [1], ["global"], [0])
    assert failed_check(step.check_command) is None


def test_a_name_of_two_lines_is_refused(tmp_path: Path) -> None:
    (step,) = make_plan(tmp_path, "a\nb", "demo", [1], ["global"], [0])
    with pytest.raises(BadInput, match="must be one simple command, without a line break"):
        preflight(step.config, FOLDER, "it", Machine())
