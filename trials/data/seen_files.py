"""The status of each feature file (size and times) when its content was last compared with a packed file."""

from __future__ import annotations

import operator
from pathlib import Path

from common.atomic_file import write_json
from common.bad_input import BadInput
from common.read_file import read_json
from trials.data.feature_files import FileStatus


def read_seen(path: Path, packed: int) -> dict[str, FileStatus]:
    """The statuses by video; none if the file is missing, damaged, or not of the packed file with that checksum.

    Unknown files are just compared again.
    """
    try:
        content = read_json(path)
        if content["packed"] != packed:
            return {}
        return {video: _status(*status) for video, status in content["files"].items()}
    except (BadInput, LookupError, TypeError, AttributeError):
        return {}


def _status(size: int, changed: int, status_changed: int) -> FileStatus:
    return operator.index(size), operator.index(changed), operator.index(status_changed)


def write_seen(path: Path, packed: int, seen: dict[str, FileStatus]) -> None:
    """Write the statuses for the packed file whose index has that checksum."""
    write_json(path, {"packed": packed, "files": seen})
