"""The command: what it writes, and that it writes all or nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from common.bad_input import BadInput
from studies import public_data
from studies.eye_movements import PERSONS
from studies.public_data import SOURCES
from tests.conftest import REPOSITORY
from tests.studies.clones import write_recordings
from trials import check_data


def run(monkeypatch: pytest.MonkeyPatch, name: str, clone: Path, output: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["command", name, "--repository", str(clone), "--output", str(output)])
    public_data.main()


def test_the_data_set_passes_its_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(0)
    lines = [
        "\t".join([*(f"{value:.3f}" for value in random.random(3)), "FSPB"[sample // 8 % 4]]) for sample in range(1600)
    ]
    clone = write_recordings(tmp_path / "clone", dict.fromkeys(PERSONS, lines))
    before = sorted(clone.rglob("*"))
    output = tmp_path / "data" / "hmr"
    output.mkdir(parents=True)  # an empty folder may be there
    run(monkeypatch, "hmr", clone, output)
    contents = "13 videos, 5200 frames, 4 classes, 5 splits"
    printed = f"{output}: {contents}, from https://github.com/elmadjian/OEMC (licence: MIT)\n"
    assert capsys.readouterr().out == printed
    assert [path.name for path in output.parent.iterdir()] == ["hmr"]
    assert sorted(clone.rglob("*")) == before
    monkeypatch.setattr(sys, "argv", ["command", str(output)])
    check_data.main()
    assert "13 videos, 5200 frames" in capsys.readouterr().out


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "output"
    output.mkdir()
    (output / "mine.txt").write_text("mine")
    with pytest.raises(BadInput, match="exists and is not an empty folder: remove it, or choose another --output"):
        run(monkeypatch, "hmr", tmp_path / "clone", output)
    with pytest.raises(BadInput, match="exists and is not an empty folder"):
        run(monkeypatch, "hmr", tmp_path / "clone", output / "mine.txt")
    assert (output / "mine.txt").read_text() == "mine"


def test_nothing_is_left_of_what_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clone = write_recordings(tmp_path / "clone", {})

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device", "a file")

    monkeypatch.setattr("experiments.demo_data.write_text", full_disk)  # after the first feature file
    with pytest.raises(OSError, match="No space left"):
        run(monkeypatch, "hmr", clone, tmp_path / "data" / "hmr")
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.parametrize("name", SOURCES)
def test_what_is_no_clone_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match=f"expected a clone of {SOURCES[name].repository.address}"):
        run(monkeypatch, name, tmp_path, tmp_path / "made")
    assert list(tmp_path.iterdir()) == []


def test_it_is_a_command_that_refuses_in_one_line(tmp_path: Path) -> None:
    words = ["-m", "studies.public_data", "hmr", "--repository", str(tmp_path), "--output", str(tmp_path / "made")]
    done = subprocess.run([sys.executable, *words], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
