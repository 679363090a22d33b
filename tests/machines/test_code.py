"""The code of a checkout for other machines: what is in it, its name, and that it is on a machine as a whole or not."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import tarfile
import threading
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.bad_input import BadInput
from machines import code as module
from machines.code import FOLDER, IGNORE, Code, pack, start_command, upload
from machines.machine_list import RemoteMachine
from machines.ssh import NoConnection
from tests.conftest import REPOSITORY
from tests.machines.conftest import Hosts


def write(root: Path, *names: str, ignore: str = "") -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / IGNORE).write_text(ignore)
    return root


def names(code: Code) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(code.archive)) as archive:
        return [name for name in archive.getnames() if name != IGNORE]


def test_what_is_ignored_stays(tmp_path: Path) -> None:
    files = ("a.py", "b/a.npy", "b/c.py", "data/x", "b/data/x", "b/__pycache__/c.pyc", ".git/config", "d/.e.tmp")
    ignore = "# comment\n\n.git\n__pycache__/\n/data\n*.npy\n.*.tmp\n"
    assert names(pack(write(tmp_path, *files, ignore=ignore))) == ["a.py", "b/c.py", "b/data/x"]


def test_links_to_files_are_files_and_those_to_folders_stay(tmp_path: Path) -> None:
    root = write(tmp_path / "root", "a.py")
    write(tmp_path / "other", "b.py")
    (root / "b.py").symlink_to(tmp_path / "other" / "b.py")
    (root / "other").symlink_to(tmp_path / "other")
    (root / "nothing").symlink_to(tmp_path / "missing")
    os.mkfifo(root / "pipe")
    assert names(pack(root)) == ["a.py", "b.py"]


def test_equal_files_have_equal_names_whatever_their_times(tmp_path: Path) -> None:
    one, other, third = (write(tmp_path / name, "b/x.py", "a.py") for name in "123")
    os.utime(other / "a.py", (1, 1))
    (other / "empty").mkdir()
    assert pack(one) == pack(other)
    (third / "a.py").chmod(0o755)
    assert pack(third).name != pack(one).name
    assert pack(write(tmp_path / "4", "b/x.py", "a.py", "c.py")).name != pack(one).name


def test_data_that_is_not_ignored_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(tmp_path, "a.py")
    with open(root / "features.bin", "wb") as file:
        file.truncate(2**20)
    monkeypatch.setattr(module, "LARGEST", 2**20)
    with pytest.raises(BadInput, match=f"^{root}: more than 1 MB for other machines: name data in .nniignore$"):
        pack(root)


def test_this_checkout_goes_without_data_tests_and_environment() -> None:
    packed = names(pack())
    assert {"machines/host.py", "trials/search_trial.py", "common/atomic_file.py"} <= set(packed)
    firsts = {name.partition("/")[0] for name in packed}
    assert not firsts & {".git", ".venv", "tests", "docs", "data", "runs"}
    assert not any("__pycache__" in name for name in packed)


@settings(deadline=None)
@given(st.integers(0), st.binary(min_size=1, max_size=3))
def test_code_that_is_damaged_is_not_whole(at: int, changed: bytes) -> None:
    code = pack(REPOSITORY / "common")
    at %= len(code.archive)
    archive = code.archive[:at] + changed + code.archive[at + len(changed) :]
    try:
        same = gzip.decompress(archive) == gzip.decompress(code.archive)
    except (OSError, EOFError, zlib.error):
        same = False
    assert Code(archive, code.name).is_whole() == same
    assert not Code(code.archive[:at], code.name).is_whole()
    assert not Code(code.archive, "../../other").is_whole()


# On a machine.


def tree(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_it_is_sent_once(hosts: Hosts, tmp_path: Path) -> None:
    machine, root = hosts.add(), write(tmp_path / "root", "a.py", "b/c.py")
    (root / "a.py").chmod(0o755)
    code = pack(root)
    for _ in range(2):
        upload(machine, code)
    there = hosts.folder / "one" / code.folder
    assert tree(there) == tree(root)
    assert os.access(there / "a.py", os.X_OK)
    assert [path.name for path in (hosts.folder / "one" / FOLDER).iterdir()] == [code.name]
    assert len((hosts.folder / "one" / "commands").read_text().splitlines()) == 3


@pytest.mark.parametrize("greeting", ["", "Welcome to one!\nthere is mail\n", "there"])
def test_a_greeting_is_no_code(greeting: str, hosts: Hosts, tmp_path: Path) -> None:
    machine, code = hosts.add(), pack(write(tmp_path / "root", "a.py"))
    (hosts.folder / "one" / "greeting").write_text(greeting)
    upload(machine, code)
    assert (hosts.folder / "one" / code.folder / "a.py").exists()


def test_several_may_send_it_at_once(hosts: Hosts, tmp_path: Path) -> None:
    machine, code = hosts.add(), pack(write(tmp_path / "root", *(f"{number}.py" for number in range(30))))
    faults: list[BaseException] = []

    def send() -> None:
        try:
            upload(machine, code)
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert tree(hosts.folder / "one" / code.folder) == tree(tmp_path / "root")
    assert [path.name for path in (hosts.folder / "one" / FOLDER).iterdir()] == [code.name]


def test_half_of_it_is_never_there(hosts: Hosts, tmp_path: Path) -> None:
    machine, code = hosts.add(), pack(write(tmp_path / "root", "a.py", "b.py"))
    with pytest.raises(BadInput, match="one: "):
        upload(machine, Code(code.archive[:-20], code.name))
    assert not (hosts.folder / "one" / code.folder).exists()
    upload(machine, code)
    assert tree(hosts.folder / "one" / code.folder) == tree(tmp_path / "root")


def test_a_machine_that_cannot_keep_it_says_so(hosts: Hosts, tmp_path: Path) -> None:
    machine, code = hosts.add(), pack(write(tmp_path / "root", "a.py"))
    (hosts.folder / "one" / FOLDER).rmdir()
    (hosts.folder / "one" / FOLDER).touch()
    with pytest.raises(BadInput, match=r"one: .*mkdir"):
        upload(machine, code)
    with pytest.raises(NoConnection):
        upload(RemoteMachine("two"), code)


@pytest.mark.parametrize("word", ["$(touch x)", "`touch x`", "; touch x", "'; touch x; '", "a b", "", "-c", "\\", "*"])
def test_no_word_is_read_by_the_shell(word: str, tmp_path: Path) -> None:
    python = tmp_path / f"bin {word.replace('/', '')}" / "python3"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\npwd; printf "%s\\0" "$@"\n')
    python.chmod(0o755)
    folder = tmp_path / f"it's {word}"
    folder.mkdir(exist_ok=True)
    command = start_command(RemoteMachine("one", python=str(python)), folder.name, "machines.facts", "--dataset", word)
    done = subprocess.run(["sh", "-c", command], env={"HOME": str(tmp_path)}, capture_output=True, check=True)
    where, printed = done.stdout.decode().split("\n", 1)
    assert where == str(folder)
    assert printed.split("\0")[:-1] == ["-m", "machines.facts", "--dataset", word]
    assert not list(tmp_path.rglob("x"))


@pytest.mark.parametrize(("end", "code"), [("exit 3", 3), ("kill -KILL $$", 137), ("kill -TERM $$", 143)])
def test_the_shell_says_how_python_ended(end: str, code: int, tmp_path: Path) -> None:
    python = tmp_path / "python3"
    python.write_text(f"#!/bin/sh\n{end}\n")
    python.chmod(0o755)
    command = start_command(RemoteMachine("one", python=str(python)), ".", "machines.host")
    done = subprocess.run(["sh", "-c", command], env={"HOME": str(tmp_path)}, check=False, capture_output=True)
    assert done.returncode == code


def test_without_the_folder_nothing_is_run(tmp_path: Path) -> None:
    command = start_command(RemoteMachine("one", python="touch"), "missing", "x")
    assert subprocess.run(["sh", "-c", command], env={"HOME": str(tmp_path)}, check=False).returncode
    assert list(tmp_path.iterdir()) == []
