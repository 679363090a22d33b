from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from common import atomic_file
from common.atomic_file import HOST, announce, remove, remove_leftovers, write_atomically, write_json, write_text
from tests.conftest import REPOSITORY
from tests.forked import on_full_disk


def test_new_content_replaces_the_old_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folders" / "file"
    write_text(path, "old")
    write_text(path, "é\n")
    assert path.read_bytes() == b"\xc3\xa9\n"
    assert list(path.parent.iterdir()) == [path]


def test_the_old_content_is_there_until_the_new_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def write(file: IO[bytes]) -> None:
        file.write(b"half of ")
        file.flush()
        assert path.read_text() == "old"
        file.write(b"the new")

    write_atomically(path, write)
    assert path.read_text() == "half of the new"


def test_who_reads_the_old_content_reads_it_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with path.open() as reader:
        write_text(path, "new")
        assert reader.read() == "old"


@pytest.mark.parametrize("fault", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("before", [{}, {"file": "old"}], ids=["no file", "old file"])
def test_a_writer_that_fails_changes_nothing(
    tmp_path: Path, before: dict[str, str], fault: type[BaseException]
) -> None:
    for name, text in before.items():
        (tmp_path / name).write_text(text)

    def write(file: IO[bytes]) -> None:
        file.write(b"half")
        raise fault

    with pytest.raises(fault):
        write_atomically(tmp_path / "file", write)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before


def test_a_file_that_cannot_be_replaced_leaves_no_temporary_one(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_text(tmp_path / "folder", "text")
    assert list(tmp_path.iterdir()) == [tmp_path / "folder"]


@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_text(path, "a" * 5000),
        lambda path: write_json(path, list(range(5000))),
        lambda path: write_atomically(path, partial(np.save, arr=np.ones(5000))),
    ],
    ids=["text", "JSON", "array"],
)
@pytest.mark.parametrize("room", [0, 1000])
def test_a_full_disk_is_told_in_one_line_and_the_old_content_stays(
    tmp_path: Path, write: Callable[[Path], None], room: int
) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    done = on_full_disk(lambda: write(path), room)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {path}: ")
    assert len(done.stderr.splitlines()) == 1
    assert "None" not in done.stderr
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("file", "old")]


def test_json_is_indented_and_ends_its_last_line(tmp_path: Path) -> None:
    write_json(tmp_path / "file.json", {"a": [1.5, None]})
    assert (tmp_path / "file.json").read_text() == '{\n  "a": [\n    1.5,\n    null\n  ]\n}\n'


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_has_no_nan(tmp_path: Path, number: float) -> None:
    path = tmp_path / "file.json"
    write_json(path, "old")
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"loss": [1.0, number]})
    assert json.loads(path.read_text()) == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_leftovers_of_killed_writers_are_removed(tmp_path: Path) -> None:
    kept = [tmp_path / name for name in ("a[1]", ".a[1].tmp", ".a1.7.tmp", ".b.7.tmp")]
    left = [tmp_path / ".a[1].7.tmp", tmp_path / ".a[1].123.tmp"]
    for path in kept + left:
        path.touch()
    remove_leftovers(tmp_path / "a[1]")
    assert set(tmp_path.iterdir()) == set(kept)


def killed_while_it_writes(path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from common.atomic_file import write_atomically
write_atomically(Path({str(path)!r}), lambda file: os.kill(os.getpid(), signal.SIGKILL))
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == -signal.SIGKILL


def test_the_next_writer_into_a_folder_removes_what_killed_ones_left(tmp_path: Path) -> None:
    killed_while_it_writes(tmp_path / "one.svg")
    (left,) = tmp_path.iterdir()
    killed_while_it_writes(tmp_path / "two.svg")
    assert left not in tmp_path.iterdir()
    write_text(tmp_path / "three.svg", "new")
    assert list(tmp_path.iterdir()) == [tmp_path / "three.svg"]


def test_what_may_be_in_work_stays(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    kept = [
        f".a.{HOST}.{os.getppid()}.tmp",
        f".a.{HOST}.1.tmp",
        f".a.00000000.{dead.pid}.tmp",
        f"a.{HOST}.7.tmp",
        ".tmp",
    ]
    for name in (*kept, f".a.{HOST}.{dead.pid}.tmp"):
        (tmp_path / name).touch()
    write_text(tmp_path / "a", "new")
    assert {path.name for path in tmp_path.iterdir()} == {"a", *kept}


@pytest.mark.parametrize("name", ["n" * 255, "\N{SNOWMAN}" * 85, "n" * 220])
def test_a_name_as_long_as_a_file_system_takes_is_written(tmp_path: Path, name: str) -> None:
    write_text(tmp_path / name, "new")
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, str | None]]:
    """The files that a listener was told of, and what was in them then."""
    told: list[tuple[Path, str | None]] = []

    def listen(path: Path) -> None:
        told.append((path, path.read_text() if path.exists() else None))

    monkeypatch.setattr(atomic_file, "listeners", [listen])
    return told


def test_listeners_are_told_of_whole_files(tmp_path: Path, heard: list[tuple[Path, str | None]]) -> None:
    path = tmp_path / "file"
    write_text(path, "old")
    write_text(path, "new")
    with open(tmp_path / "other", "a") as file:
        file.write("mine")
    announce(tmp_path / "other")
    remove(path)
    remove(path)
    assert heard == [(path, "old"), (path, "new"), (tmp_path / "other", "mine"), (path, None), (path, None)]
    assert not path.exists()


def test_of_what_is_not_written_nobody_is_told(tmp_path: Path, heard: list[tuple[Path, str | None]]) -> None:
    def fail(_: IO[bytes]) -> None:
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        write_atomically(tmp_path / "file", fail)
    with pytest.raises(OSError, match="folder"):
        write_text(tmp_path, "text")
    with pytest.raises(OSError, match=str(tmp_path)):
        remove(tmp_path)
    assert heard == []
