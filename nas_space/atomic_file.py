"""Write a file so that a reader, or a crash, only ever sees the old content or the whole new one."""

from __future__ import annotations

import errno
import glob
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then rename it over ``path``; folders are made as needed.

    Raises:
        OSError: ``path`` cannot be written; the error names it.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder, but a file is to be written", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
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


def remove_leftovers(path: Path) -> None:
    """Remove what killed writers of ``path`` left. The caller makes sure that nobody is writing it."""
    for temporary in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        temporary.unlink(missing_ok=True)
