"""The command that shows a structure, translates it, or puts branches around its dilations."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nas_space.structure_files import (
    write_structure,
)
from tests.conftest import REPOSITORY
from tests.nas_space.dialects import FIRST, SECOND, STRUCTURE, mmcv


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    options = ["-m", "nas_space.structure_files", "--network", "ms-tcn:stages=2,layers=1", *map(str, arguments)]
    return subprocess.run([sys.executable, *options], cwd=REPOSITORY, capture_output=True, text=True, check=False)


def test_the_command_shows_dilations_and_what_they_see(tmp_path: Path) -> None:
    path = tmp_path / "structure.json"
    path.write_text(json.dumps(mmcv([4])))
    done = command(path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "stage 1: dilations 4; sees 9 frames",
        "         its layers see 9 frames",
        "stage 2: dilations 16; sees 33 frames",
        "         its layers see 33 frames",
        "the network sees 41 frames",
    ]
    assert "\nthe network sees 41 frames (2.7 s)\n" in command(path, "--fps", "15").stdout


def test_the_command_puts_branches_around_dilations(tmp_path: Path) -> None:
    path, ours = tmp_path / "multiple.json", tmp_path / "ours.json"
    write_structure(STRUCTURE, ours)
    assert command(ours, "--branches", "3", "--expand-rate", "0.5", "--output", path).returncode == 0
    shares = [1 / 3] * 3
    assert json.loads(path.read_text())["dilations"] == {
        FIRST: [list(pair) for pair in zip((2, 4, 6), shares, strict=True)],
        SECOND: [list(pair) for pair in zip((8, 16, 24), shares, strict=True)],
    }
    assert command(path).stdout.splitlines()[::2] == [
        "stage 1: dilations 2+4+6; sees 13 frames",
        "stage 2: dilations 8+16+24; sees 49 frames",
        "the network sees 61 frames",
    ]
    refused = command(path, "--branches", "3")
    assert (refused.returncode, refused.stderr) == (
        2,
        f"error: {path}: keeps several branches in a layer already: leave out --branches, or give a structure of one "
        "dilation each\n",
    )


def test_the_command_translates(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.json", tmp_path / "theirs.json"
    write_structure(STRUCTURE, ours)
    done = command(ours, "--dialect", "seed", "--output", theirs)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"wrote {theirs} (seed)\n", "")
    assert json.loads(theirs.read_text())["model"] == {FIRST: 4, SECOND: 16}


def test_the_command_keeps_the_name_of_the_source(tmp_path: Path) -> None:
    path = tmp_path / "hand.json"
    assert command("hand", "--output", path).returncode == 0
    assert json.loads(path.read_text())["about"] == {"source": "hand"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.json"], "error: none.json: no such structure file (give a JSON file, or the name 'hand')\n"),
        (
            ["hand", "--num-layers", "0"],
            "error: network ms-tcn: layers must be a whole number from 1 to 1000, not 0\n",
        ),
        (["hand", "--branches", "1000000"], "error: the number of branches must be at most 2048, not 1000000\n"),
        (["hand", "--fps", "nan"], "error: --fps must be above 0, not nan\n"),
        (["pyproject.toml"], "error: pyproject.toml: not a JSON file: Expecting value: line 1 column 2 (char 1)\n"),
    ],
)
def test_the_command_refuses_bad_input_in_one_line(arguments: list[str], message: str) -> None:
    done = command(*arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message)
