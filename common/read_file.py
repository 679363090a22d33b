"""Read a text or JSON file that may be damaged: it is read as a whole, or refused in one line."""

from __future__ import annotations

import json
import math
import stat
from pathlib import Path
from typing import Any

from common.bad_input import BadInput

LARGEST_TEXT = 2**30
"""In bytes, far beyond any label file; a larger one is a mistake, and would fill the memory."""


def require_file(path: Path, kind: str = "file") -> None:
    """Make sure that opening a file cannot block, as it would on a pipe.

    Raises:
        BadInput: there is no such file, or it is a folder, a pipe or a device.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise BadInput(f"{path}: no such {kind}") from None
    except OSError as fault:
        raise BadInput(f"{path}: cannot be read: {fault.strerror}") from None
    if stat.S_ISDIR(mode):
        raise BadInput(f"{path}: cannot be read: Is a directory")
    if not stat.S_ISREG(mode):
        raise BadInput(f"{path}: a pipe or a device, not a file")


def read_text(path: Path, kind: str = "file") -> str:
    """The text of a UTF-8 file, without a byte order mark, with line ends ``\\n``.

    Raises:
        BadInput: it cannot be read, is not text, or is larger than ``LARGEST_TEXT``.
    """
    require_file(path, kind)
    try:
        if path.stat().st_size > LARGEST_TEXT:
            raise BadInput(f"{path}: too large for a text file")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as fault:
        raise BadInput(f"{path}: cannot be read: {fault.strerror}") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path}: not a text file (UTF-8)") from None
    if "\0" in text:
        raise BadInput(f"{path}: not a text file (it has NUL bytes)")
    return text


def read_json(path: Path, kind: str = "file") -> Any:
    """The content of a JSON file.

    Raises:
        BadInput: it cannot be read, is not JSON, repeats a name within an object, or has a number that is not finite.
    """
    text = read_text(path, kind)
    try:
        return json.loads(
            text, object_pairs_hook=_without_repeats, parse_float=_finite_number, parse_constant=_finite_number
        )
    except RecursionError:
        raise BadInput(f"{path}: not a JSON file: nested too deeply") from None
    except ValueError as fault:
        raise BadInput(f"{path}: not a JSON file: {fault}") from None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a name comes twice in one object")
    return content


def _finite_number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no finite number")
    return number
