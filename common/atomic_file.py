"""Write a file so that a reader, or a crash, only ever sees the old content or the whole new one."""

from __future__ import annotations

import errno
import glob
import json
import os
import platform
import re
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import IO, Any

HOST = f"{zlib.crc32(platform.node().encode()):08x}"
"""Identifies this machine in names of temporary files: on a shared disk, other machines have the same process ids."""
TEMPORARY = re.compile(rf"\..+\.{HOST}\.(\d{{1,9}})\.tmp")
"""Name of a temporary file of this machine; its group is the process that writes it."""

listeners: list[Callable[[Path], object]] = []
"""Called with the path of each file that this process has written or removed (``announce``)."""


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then rename it over ``path``; folders are made as needed.

    A writer that is killed leaves its temporary file; the next process that writes into the folder removes it.

    Raises:
        OSError: ``path`` cannot be written; the error names it.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder, but a file is to be written", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale(path.parent)
    temporary = path.with_name(f".{_stem(path.name)}.{HOST}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        announce(path)
    except OSError as fault:
        # numpy's own write errors have no number.
        raise OSError(fault.errno, fault.strerror or str(fault), str(path)) from fault
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` atomically, as UTF-8."""
    write_atomically(path, lambda file: file.write(text.encode()))


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` to ``path`` atomically, as indented JSON; NaN and infinity are refused with ValueError."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def remove(path: Path) -> None:
    """Remove a file that may be missing."""
    path.unlink(missing_ok=True)
    announce(path)


def announce(path: Path) -> None:
    """Tell the listeners that a file has changed, or is gone."""
    for listener in listeners:
        listener(path)


def remove_leftovers(path: Path) -> None:
    """Remove what killed writers of ``path`` left behind. The caller makes sure that nobody is writing it."""
    for temporary in path.parent.glob(f".{glob.escape(_stem(path.name))}.*.tmp"):
        temporary.unlink(missing_ok=True)


def _stem(name: str) -> str:
    """A file's name within that of its temporary file: in full if both fit into the 255 bytes of a file system."""
    return name if len(name.encode()) <= 220 else f"{zlib.crc32(name.encode()):08x}"


@cache  # once a process: a folder may have thousands of files
def _remove_stale(folder: Path) -> None:
    """Remove the temporary files of dead processes of this machine."""
    for path in folder.glob(".*.tmp"):
        match = TEMPORARY.fullmatch(path.name)
        if match is not None and not _is_alive(int(match[1])):
            path.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError as fault:
        return not isinstance(fault, ProcessLookupError)  # else it is another user's
    return True
