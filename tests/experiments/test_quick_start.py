"""NNI's manager starts NNI's modules through ``quick_nni.py``, with or without a shell, and all else as it is."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import nni_node
import pytest

from experiments.nni_experiment import MANAGER_CHANGES

NODE = Path(nni_node.__path__[0]) / "node"
PROGRAM = """
    const echo = require('child_process').spawn('echo', ...JSON.parse(process.argv[1]));
    echo.stdout.on('data', data => process.stdout.write(data));
"""


@pytest.mark.parametrize(
    ("words", "options", "quick"),
    [
        (["-m", "nni", "--exp_params", "e30="], [{"shell": True}], True),  # the tuner
        (["-m", "nni.tools.nni_manager_scripts.collect_version_info"], [], True),
        (["-m", "nnictl"], [{}], False),
        (["-c", "nni"], [{}], False),
    ],
)
def test_what_imports_nni_imports_it_quickly(
    words: list[str], options: list[object], quick: bool, tmp_path: Path
) -> None:
    (change,) = (path for path in MANAGER_CHANGES if path.name == "quick_start.js")
    copied = tmp_path / "it's here" / "experiments" / "quick_start.js"
    copied.parent.mkdir(parents=True)
    shutil.copy(change, copied)
    command = [str(NODE), "--require", str(copied), "-e", PROGRAM, json.dumps([words, *options])]
    answer = subprocess.check_output(command, text=True, timeout=60)
    expected = [str(tmp_path / "it's here" / "nni_api" / "quick_nni.py"), *words[1:]] if quick else words
    assert answer.rstrip("\n") == " ".join(expected)
