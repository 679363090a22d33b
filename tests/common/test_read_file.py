from __future__ import annotations

import os
from pathlib import Path

import pytest

from common.bad_input import BadInput
from common.read_file import LARGEST_TEXT, read_json, read_text


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


def test_text_is_read_without_mark_and_with_plain_line_ends(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbfone\r\ntwo\rgr\xc3\xb6\xc3\x9fer\n")
    assert read_text(path) == "one\ntwo\ngrößer\n"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"\xff\xfe", "not a text file (UTF-8)"),
        (b"one\0two", "not a text file (it has NUL bytes)"),
    ],
)
def test_other_bytes_are_refused(path: Path, content: bytes, fault: str) -> None:
    path.write_bytes(content)
    with pytest.raises(BadInput) as refused:
        read_text(path)
    assert str(refused.value) == f"{path}: {fault}"


def test_a_pipe_is_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(BadInput, match="a pipe or a device, not a file"):
        read_text(path)


def test_a_device_without_end_is_not_read(path: Path) -> None:
    path.symlink_to("/dev/zero")
    with pytest.raises(BadInput, match="a pipe or a device, not a file"):
        read_text(path)


def test_what_is_not_there_is_named_by_its_kind(path: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=f"^{path}: no such thing$"):
        read_text(path, "thing")
    with pytest.raises(BadInput, match=f"^{tmp_path}: cannot be read: Is a directory$"):
        read_text(tmp_path)
    path.symlink_to(path)
    with pytest.raises(BadInput, match=f"^{path}: cannot be read: Too many levels"):
        read_text(path)


def test_a_text_that_fills_the_memory_is_not_read(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(LARGEST_TEXT + 1)
    with pytest.raises(BadInput, match="too large for a text file"):
        read_text(path)


def test_json_is_read(path: Path) -> None:
    path.write_text('{"a": [1, 2.5, null, "\\u00e9", 1e-400], "b": {"a": true}}')
    assert read_json(path) == {"a": [1, 2.5, None, "é", 0.0], "b": {"a": True}}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "Expecting value"),
        ('{"a": NaN}', "NaN is no finite number"),
        ("[1, -Infinity]", "-Infinity is no finite number"),
        ("1e999", "1e999 is no finite number"),
        ("9" * 5000, "Exceeds the limit"),
        ('{"a": 1, "b": {"c": 1, "c": 1}}', "a name comes twice in one object"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_json_is_refused(path: Path, content: str, fault: str) -> None:
    path.write_text(content)
    with pytest.raises(BadInput, match=f"^{path}: not a JSON file: {fault}"):
        read_json(path)
