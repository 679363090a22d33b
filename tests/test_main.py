"""``python -m tests``: workers are forks of one process that has imported the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import REPOSITORY

TESTS = """
import os
import pytest

with open("imports", "a") as file:
    file.write("once ")

@pytest.mark.parametrize("number", range(4))
def test_a_number_is_small(number):
    assert "PYTEST_XDIST_WORKER" in os.environ
    assert number < 3

def test_a_crash_is_told():
    os.kill(os.getpid(), 9)
"""


def test_workers_have_the_tests_at_birth_and_tell_what_failed(tmp_path: Path) -> None:
    (tmp_path / "test_numbers.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]")
    # A folder of its own: in the user's, pytest would remove what earlier runs of the whole suite left, for minutes.
    options = "-p xdist -p no:cacheprovider --basetemp temporary"
    plugins = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": options}
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "tests", "-n", "2"]
    environment = {**own, **plugins, "PYTHONPATH": str(REPOSITORY)}
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 1
    assert "2 failed, 3 passed" in ended.stdout
    assert "test_numbers.py::test_a_number_is_small[3] - assert 3 < 3" in ended.stdout
    assert "crashed while running 'test_numbers.py::test_a_crash_is_told'" in ended.stdout
    assert (tmp_path / "imports").read_text() == "once "
