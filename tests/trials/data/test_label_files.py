"""Mapping, label files and lists of videos: what is read, and what is refused with its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.bad_input import BadInput
from trials.data.label_files import read_bundle, read_labels, read_lines, read_mapping, write_labels

IDS = {"cut": 0, "peel": 1}

encodings = pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode(),
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.removesuffix("\n").encode(),
        lambda text: (text + "\n  \n").encode(),
        lambda text: text.replace("\n", "  \n").encode(),
    ],
    ids=["plain", "byte order mark", "CRLF", "no last newline", "blank lines at the end", "spaces at line ends"],
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file.txt"


@encodings
def test_every_text_dialect_reads_the_same(file: Path, encode: object) -> None:
    assert callable(encode)
    file.write_bytes(encode("cut\ncut\npeel\n"))
    assert read_labels(file, IDS).tolist() == [0, 0, 1]
    file.write_bytes(encode("1 peel\n0 cut\n"))
    assert read_mapping(file) == ("cut", "peel")
    file.write_bytes(encode("#bundle\nrgb-01-1.txt\nrgb-01-2.txt\n"))
    assert read_bundle(file) == ("rgb-01-1", "rgb-01-2")


@given(st.lists(st.integers(0, 1), min_size=1))
def test_labels_survive_a_file(tmp_path_factory: pytest.TempPathFactory, labels: list[int]) -> None:
    path = tmp_path_factory.getbasetemp() / "labels.txt"
    path.write_text(write_labels(np.array(labels), list(IDS)))
    assert read_labels(path, IDS).tolist() == labels


@given(st.lists(st.sampled_from(["a", "aa", "a a", "b"]), min_size=1))
def test_runs_are_the_lines(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    path = tmp_path_factory.getbasetemp() / "runs.txt"
    path.write_text("\n".join(names))
    assert read_labels(path, {"a": 3, "aa": 2, "a a": 1, "b": 0}).tolist() == [
        {"a": 3, "aa": 2, "a a": 1, "b": 0}[name] for name in names
    ]


def test_long_label_files(file: Path) -> None:
    file.write_text("cut\n" * 50000 + "peel\n" * 70000 + "mix\n" * 3)
    with pytest.raises(BadInput, match="line 120001: label 'mix'"):
        read_labels(file, IDS)
    labels = read_labels(file, {**IDS, "mix": 2})
    assert np.bincount(labels).tolist() == [50000, 70000, 3]
    assert (np.diff(labels) >= 0).all()


def test_labels_are_int64(file: Path) -> None:
    file.write_text("peel\n")
    assert read_labels(file, IDS).dtype == np.int64


def test_bundle_names_with_and_without_txt(file: Path) -> None:
    file.write_text("a.txt\nb\nc.1.txt\n")
    assert read_bundle(file) == ("a", "b", "c.1")


def test_classes_may_have_spaces(file: Path) -> None:
    file.write_text("0 cut bread\n1  peel\n")
    assert read_mapping(file) == ("cut bread", "peel")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "no classes"),
        ("0 cut\n1\n", "line 2: expected 'id name', not '1'"),
        ("cut 0\n", "line 1: expected 'id name', not 'cut 0'"),
        ("-1 cut\n", "line 1: expected 'id name'"),
        ("9" * 5000 + " cut\n", "line 1: expected 'id name'"),
        ("0 cut\n\n1 peel\n", "line 2: expected 'id name', not ''"),
        ("0 cut\n1 peel\n0 mix\n", "line 3: duplicate id 0"),
        ("0 cut\n1 peel\n2 cut\n", "line 3: duplicate class 'cut'"),
        ("0 cut\n2 peel\n", "the ids of 2 classes must be 0 to 1"),
        ("1 cut\n2 peel\n", "the ids of 2 classes must be 0 to 1"),
    ],
)
def test_bad_mappings_are_refused(file: Path, text: str, fault: str) -> None:
    file.write_text(text)
    with pytest.raises(BadInput, match=f"^{file}.*{fault}"):
        read_mapping(file)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", ": empty label file"),
        (" \n\n", ": empty label file"),
        ("cut\npeel\nmix\nmix\n", ", line 3: label 'mix' is not in the mapping"),
        ("cut\n\npeel\n", ", line 2: label '' is not in the mapping"),
        ("CUT\n", ", line 1: label 'CUT' is not in the mapping"),
    ],
)
def test_bad_labels_are_refused(file: Path, text: str, fault: str) -> None:
    file.write_text(text)
    with pytest.raises(BadInput, match=f"^{file}{fault}$"):
        read_labels(file, IDS)


@pytest.mark.parametrize("name", ["../x", "a/b", "/etc/passwd", "..", "a\\b", ".hidden"])
def test_bundles_name_no_paths(file: Path, name: str) -> None:
    file.write_text(f"good.txt\n{name}.txt\n")
    with pytest.raises(BadInput, match="is not the name of a video"):
        read_bundle(file)


def test_names_too_long_for_a_file_system_are_refused(file: Path) -> None:
    file.write_text("ß" * 120 + ".txt\n")
    assert read_bundle(file) == ("ß" * 120,)
    file.write_text("ß" * 121 + ".txt\n")
    with pytest.raises(BadInput, match="is too long for the name of a video"):
        read_bundle(file)


@pytest.mark.parametrize("separator", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_only_line_ends_end_a_line(file: Path, separator: str) -> None:
    file.write_text(f"cut{separator}peel\n")
    assert read_lines(file) == [f"cut{separator}peel"]
    with pytest.raises(BadInput, match="line 1: label"):
        read_labels(file, IDS)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "no videos"),
        ("#bundle\n", "no videos"),
        ("a.txt\nb.txt\na.txt\n", "video 'a' is listed twice"),
        ("a.txt\na\n", "video 'a' is listed twice"),
    ],
)
def test_bad_bundles_are_refused(file: Path, text: str, fault: str) -> None:
    file.write_text(text)
    with pytest.raises(BadInput, match=f"^{file}: {fault}$"):
        read_bundle(file)


def test_unreadable_files_are_refused(file: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file"):
        read_lines(file)
    with pytest.raises(BadInput, match="cannot be read"):
        read_lines(tmp_path)
    file.write_bytes(b"\xff\xfe\x00c")
    with pytest.raises(BadInput, match="not a text file"):
        read_lines(file)
