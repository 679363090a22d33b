"""When ``make`` sets the environment up: for the first time, again, or not at all. No environment is really made."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

SOURCES = ("requirements.txt", "requirements-dev.txt", "constraints.txt", "pyproject.toml")
UP_TO_DATE = "make: '.venv/installed' is up to date.\n"

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


def write_python(path: Path, version: str, prefix: str) -> Path:
    """A Python that says another version and another home of itself, and does nothing but ``-c CODE``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers = tuple(map(int, version.split(".")))
    pretends = f"import sys; sys.version_info, sys.version, sys.base_prefix = {numbers}, '{version}', '{prefix}'"
    path.write_text(f'#!/bin/sh\n[ "$1" = -c ] && exec "{sys.executable}" -S -c "{pretends}; exec(sys.argv[1])" "$2"\n')
    path.chmod(0o755)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the Makefile, with an environment that Python 3.12 has made."""
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    for name in SOURCES:
        (tmp_path / name).touch()
    write_python(tmp_path / ".venv" / "bin" / "python", "3.12.1", "/opt/python3.12")
    (tmp_path / ".venv" / "installed").touch()
    write_python(tmp_path / "path" / "python3", "3.11.7", "/usr")  # what PATH has
    return tmp_path


def make(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run make, whatever the make of these tests was given."""
    path = f"{folder / 'path'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["make", *words, ".venv/installed"],
        cwd=folder,
        env={"PATH": path, "LC_ALL": "C", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def planned(folder: Path, *words: str, **environment: str) -> list[str]:
    """The lines that make would run, or its word that there is nothing to do."""
    done = make(folder, "--dry-run", *words, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines(keepends=True)


def steps(lines: list[str]) -> list[list[str]]:
    """The words of each line after the first, which checks the version."""
    assert "sys.exit" in lines[0]
    return [line.split() for line in lines[1:]]


def test_an_environment_is_kept_where_no_python_is_given(folder: Path) -> None:
    assert planned(folder) == [UP_TO_DATE]


@pytest.mark.parametrize("name", ["another name", "a link", "its own"])
def test_an_environment_is_kept_where_the_python_is_given_that_made_it(name: str, folder: Path) -> None:
    same = write_python(folder / "python3.12", "3.12.1", "/opt/python3.12")
    link = folder / "python"
    link.symlink_to(same)
    python = {"another name": same, "a link": link, "its own": folder / ".venv" / "bin" / "python"}[name]
    assert planned(folder, f"PYTHON={python}") == planned(folder, PYTHON=str(python)) == [UP_TO_DATE]


@pytest.mark.parametrize(
    ("version", "prefix"), [("3.13.0", "/opt/python3.13"), ("3.12.2", "/opt/python3.12"), ("3.12.1", "/usr")]
)
def test_an_environment_is_made_anew_by_another_python(version: str, prefix: str, folder: Path) -> None:
    other = write_python(folder / "other", version, prefix)
    lines = planned(folder, f"PYTHON={other}")
    made, *installed, last = steps(lines)
    assert made == [str(other), "-m", "venv", "--clear", ".venv"]
    assert [words[:4] for words in installed] == [[".venv/bin/python", "-m", "pip", "install"]] * 2
    assert last == ["touch", ".venv/installed"]
    assert planned(folder, PYTHON=str(other)) == lines


def test_an_environment_is_brought_up_to_date_without_making_it_anew(folder: Path) -> None:
    os.utime(folder / ".venv" / "installed", (0, 0))
    made, *_ = steps(planned(folder, f"PYTHON={write_python(folder / 'same', '3.12.1', '/opt/python3.12')}"))
    assert made[1:] == ["-m", "venv", ".venv"]
    assert steps(planned(folder))[0] == ["python3", "-m", "venv", ".venv"]


def test_the_first_environment_is_made_by_the_python_of_path_or_the_one_given(folder: Path) -> None:
    shutil.rmtree(folder / ".venv")
    assert steps(planned(folder))[0] == ["python3", "-m", "venv", ".venv"]
    given = write_python(folder / "given", "3.13.0", "/opt/python3.13")
    made = steps(planned(folder, f"PYTHON={given}"))[0]
    assert [word for word in made if word != "--clear"] == [str(given), "-m", "venv", ".venv"]


def times(folder: Path) -> dict[Path, int]:
    """When each file of a folder was written last."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.parametrize("version", ["3.10.13", "3.14.0", "4.0.0"])
def test_a_version_that_cannot_work_is_refused_before_anything_is_removed(version: str, folder: Path) -> None:
    before = times(folder / ".venv")
    wrong = write_python(folder / "wrong", version, "/opt")
    refused = make(folder, f"PYTHON={wrong}")
    ours, makes = refused.stderr.splitlines()
    assert ours == f"Python 3.11, 3.12 or 3.13 is needed (make PYTHON=/path/to/python3), this is {version}"
    assert (refused.returncode, refused.stdout, makes.startswith("make: ***")) == (2, "", True)
    assert times(folder / ".venv") == before


@pytest.mark.parametrize("version", ["3.11.0", "3.12.7", "3.13.5"])
def test_each_version_that_works_is_accepted(version: str, folder: Path) -> None:
    right = write_python(folder / "right", version, "/opt")
    done = make(folder, f"PYTHON={right}")
    assert "is needed" not in done.stderr
    assert done.stdout == f"{right} -m venv --clear .venv\n"  # this one cannot make it
