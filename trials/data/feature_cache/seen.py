"""The status (size and times) of a packed file and of each feature file when their contents were last compared."""

from __future__ import annotations

import operator
from pathlib import Path
from typing import NamedTuple

from common.atomic_file import write_json
from common.bad_input import BadInput
from common.read_file import read_json
from trials.data.feature_files import FileStatus


class Seen(NamedTuple):
    """What was compared."""

    files: dict[str, FileStatus]
    """By video."""
    packed: FileStatus | None
    """That of the packed file when all its checksums were last compared; None: never, as those of earlier versions."""


def read_seen(path: Path, checksum: int) -> Seen:
    """What was seen; nothing if the file is missing, damaged, or not of the packed file with that index checksum.

    Unknown files are just compared again.
    """
    try:
        content = read_json(path)
        if content["packed"] != checksum:
            return Seen({}, None)
        packed = content.get("intact")
        files = {video: _status(*status) for video, status in content["files"].items()}
        return Seen(files, None if packed is None else _status(*packed))
    except (BadInput, LookupError, TypeError, AttributeError):
        return Seen({}, None)


def _status(size: int, changed: int, status_changed: int) -> FileStatus:
    return operator.index(size), operator.index(changed), operator.index(status_changed)


def write_seen(path: Path, checksum: int, seen: Seen) -> None:
    """Write what was seen for the packed file whose index has that checksum."""
    write_json(path, {"packed": checksum, "intact": seen.packed, "files": seen.files})
