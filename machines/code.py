"""The code of this checkout as one archive, for machines that do not share its files."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shlex
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import NamedTuple

from common.bad_input import BadInput
from common.read_file import read_text
from machines import ssh
from machines.machine_list import RemoteMachine

ROOT = Path(__file__).parent.parent
IGNORE = ".nniignore"
LARGEST = 100 * 2**20
"""Bytes: more is no code, but data that ``.nniignore`` should name."""
FOLDER = ".cache/global2local/code"
"""Of the code on another machine, within the home folder there."""


class Code(NamedTuple):
    """The files of a checkout."""

    archive: bytes
    """A tar file, compressed."""
    name: str
    """By content: equal files have equal names on all machines."""

    @property
    def folder(self) -> str:
        """Where the files are on another machine, relative to the home folder there."""
        return f"{FOLDER}/{self.name}"

    def is_whole(self) -> bool:
        """Whether the files are those that have this name."""
        try:
            return _name(gzip.decompress(self.archive)) == self.name
        except (OSError, EOFError, zlib.error):
            return False


@cache  # as they were when this process first asked
def pack(root: Path = ROOT) -> Code:
    """The files of a checkout, but for those that its ``.nniignore`` names.

    Raises:
        BadInput: they are too large.
    """
    packed, total = io.BytesIO(), 0
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in _files(root, _patterns(root)):
            content = path.read_bytes()
            total += len(content)
            if total > LARGEST:
                raise BadInput(f"{root}: more than {LARGEST >> 20} MB for other machines: name data in {IGNORE}")
            entry = tarfile.TarInfo(path.relative_to(root).as_posix())
            entry.size, entry.mode = len(content), 0o755 if os.access(path, os.X_OK) else 0o644
            archive.addfile(entry, io.BytesIO(content))
    return Code(gzip.compress(packed.getvalue(), mtime=0), _name(packed.getvalue()))


def _name(files: bytes) -> str:
    return hashlib.sha256(files).hexdigest()[:16]


def upload(machine: RemoteMachine, code: Code) -> None:
    """Unpack the code on a machine, unless it has it. Raises as ``ssh.run``."""
    target, new = code.folder, f"{code.folder}.$$"
    # Another may unpack it at the same time: whoever is first renames, and nothing is ever half there.
    unpack = (
        f"cd && mkdir -p {new} && tar -xzf - -C {new} && {{ mv -T {new} {target} 2>/dev/null || rm -rf {new}; }} && "
        f"test -d {target}"
    )
    if not ssh.run(machine, f"cd && test -d {target} && echo there || true").endswith(b"there\n"):
        ssh.run(machine, unpack, code.archive)


def start_command(machine: RemoteMachine, folder: str, module: str, *words: str) -> str:
    """The shell command that runs one of our modules in the folder of the code.

    The shell stays, so that its exit code tells a process that was killed from a connection that was lost.
    """
    python = " ".join(map(shlex.quote, [machine.python, "-m", module, *words]))
    return f"cd && cd {shlex.quote(folder)} && {python}; exit $?"


def _patterns(root: Path) -> list[str]:
    """The lines of ``.nniignore``: ``/name`` at the top only, ``name`` anywhere; NNI reads them likewise."""
    path = root / IGNORE
    lines = read_text(path).splitlines() if path.exists() else []
    return [line.strip().rstrip("/") for line in lines if line.strip() and not line.startswith("#")]


def _files(root: Path, patterns: Sequence[str], folder: str = "") -> Iterator[Path]:
    """All regular files, in the order of their names."""
    for path in sorted((root / folder).iterdir()):
        name = f"{folder}{path.name}"
        if any(fnmatchcase(f"/{name}" if each.startswith("/") else path.name, each) for each in patterns):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _files(root, patterns, f"{name}/")
        elif path.is_file():
            yield path
