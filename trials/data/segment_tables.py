"""Read segments from tables: CSV or TSV with a header, and BORIS's CSV or TSV export of aggregated events."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from common.bad_input import BadInput
from common.read_file import read_text
from trials.data.segments import Unit, Videos, check_import_name, make_segment


class Columns(NamedTuple):
    """Names of the columns of a table."""

    video: str
    start: str
    end: str
    label: str


COLUMNS = Columns("video", "start", "end", "label")
BORIS = Columns("Observation id", "Start (s)", "Stop (s)", "Behavior")
SUBJECT, KIND = "Subject", "Behavior type"
"""Further columns of BORIS; the second one is ``STATE`` or ``POINT``."""


def read_table(path: Path, unit: Unit, columns: Columns | None = None, subject: str | None = None) -> Videos:
    """The segments of a table, which is BORIS's if it has BORIS's columns.

    BORIS's point events have no duration: they are left out, with a warning that names them.

    Args:
        columns: names of the columns; None: ``COLUMNS``, or BORIS's.
        subject: whose events of BORIS to read; None: all.

    Raises:
        BadInput: the file is missing or damaged, or says something impossible; with the line.
    """
    rows = _rows(path)
    first, header = next(rows, (1, []))
    boris = {*BORIS, SUBJECT, KIND} <= set(header)
    if boris and columns is None and unit == "frames":
        raise BadInput(f"{path}: times of BORIS are seconds: leave --unit frames out")
    columns = columns or (BORIS if boris else COLUMNS)
    _check_columns(columns, header, f"{path}, line {first}")
    if subject is not None and not boris:
        raise BadInput(f"{path}: --subject is for aggregated events of BORIS, which has other columns")

    videos: Videos = {}
    points: list[str] = []
    left_out: dict[str, None] = {}
    subjects: dict[str, None] = {}
    for number, values in rows:
        where = f"{path}, line {number}"
        if len(values) != len(header):
            raise BadInput(f"{where}: {len(values)} columns, but line {first} has {len(header)}")
        row = dict(zip(header, values, strict=True))
        if boris:
            subjects[row[SUBJECT]] = None
            if subject not in (None, row[SUBJECT]):
                left_out[row[columns.video]] = None
                continue
            if row[KIND] == "POINT":
                points.append(row[columns.label])
                continue
            if row[KIND] != "STATE":
                raise BadInput(f"{where}: {KIND} {row[KIND]!r} is neither STATE nor POINT")
        check_import_name(row[columns.video], where)
        segment = make_segment(row[columns.label], row[columns.start], row[columns.end], unit, where)
        videos.setdefault(row[columns.video], []).append(segment)
    if subject is not None and subject not in subjects:
        raise BadInput(f"{path}: no events of the subject {subject!r}, but of {', '.join(map(repr, subjects))}")
    if not videos:
        raise BadInput(f"{path}: no segments")
    if points:
        names = ", ".join(map(repr, dict.fromkeys(points)))
        warnings.warn(f"{path}: {len(points)} point events ({names}) have no duration: left out", stacklevel=2)
    without = [video for video in left_out if video not in videos]
    if without:
        warnings.warn(f"{path}: left out, without events of {subject!r}: {', '.join(without)}", stacklevel=2)
    return videos


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Each row without surrounding white space, with the number of its last line; blank lines are skipped."""
    lines = read_text(path).split("\n")
    delimiter = max(",;\t", key=lines[0].count)
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            values = [value.strip() for value in row]
            if any(values):
                yield reader.line_num, values
    except csv.Error as fault:
        raise BadInput(f"{path}, line {reader.line_num}: {fault}") from None


def _check_columns(columns: Columns, header: list[str], where: str) -> None:
    for name in columns:
        times = header.count(name)
        if times != 1:
            raise BadInput(
                f"{where}: {f'{times} columns' if times else 'no column'} {name!r} among "
                f"{', '.join(map(repr, header))}: name those of video, start, end and label by --columns "
                "(of BORIS, export the aggregated events)"
            )
