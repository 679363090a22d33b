"""The list of licences: whether it is of the locked packages, and how a licence is found."""

from __future__ import annotations

import json
import re
from importlib.metadata import PathDistribution
from pathlib import Path
from typing import Any

import pytest

from common.bad_input import BadInput
from tools.licences import (
    LOCK,
    OUTPUT,
    javascript_table,
    licence_of,
    licence_of_javascript,
    python_table,
    read_lock,
)


def test_the_list_is_of_the_locked_packages() -> None:
    """After a change of constraints.txt: python -m tools.licences."""
    rows = re.findall(r"^\| (\S+) \| (\S+) \| (.+) \|$", OUTPUT.read_text(), re.MULTILINE)
    listed = {name: (version, licence) for name, version, licence in rows if name != "package"}
    assert {name: version for name, (version, _) in listed.items()} == read_lock(LOCK)
    assert listed["nni"] == ("3.0", "MIT")
    assert "not stated" not in {licence for _, licence in listed.values()}


def package(folder: Path, metadata: str) -> PathDistribution:
    folder.mkdir(exist_ok=True)
    (folder / "METADATA").write_text(metadata)
    return PathDistribution(folder)


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        ("License-Expression: MIT\nClassifier: License :: OSI Approved :: BSD License\n", "MIT"),
        ("License: BSD\nClassifier: License :: OSI Approved :: BSD License\n", "BSD"),
        # scipy's field holds the whole text
        (f"License: {'Copyright ' * 20}\nClassifier: License :: OSI Approved :: BSD License\n", "BSD License"),
        ("License: \nClassifier: License :: A\nClassifier: Topic :: X\nClassifier: License :: B :: C\n", "A, C"),
        ("Classifier: Topic :: X\n", "not stated"),
    ],
)
def test_the_licence_of_a_python_package(metadata: str, licence: str, tmp_path: Path) -> None:
    assert licence_of(package(tmp_path, f"Name: it\nVersion: 1\n{metadata}")) == licence


@pytest.mark.parametrize(
    ("content", "licence"),
    [
        ({"license": "ISC"}, "ISC"),
        ({"license": {"type": "MIT", "url": "there"}}, "MIT"),
        ({"licenses": [{"type": "MIT"}, {"type": "BSD"}]}, "MIT OR BSD"),
        ({}, "not stated"),
    ],
)
def test_the_licence_of_a_javascript_package(content: dict[str, Any], licence: str) -> None:
    assert licence_of_javascript(content) == licence


def test_only_the_roots_of_javascript_packages_count(tmp_path: Path) -> None:
    contents = {
        "node_modules/a/package.json": {"name": "a", "version": "1", "license": "MIT"},
        "node_modules/a/node_modules/b/package.json": {"name": "b", "version": "2", "license": "MIT"},
        "node_modules/@c/d/package.json": {"name": "@c/d", "version": "3", "license": "ISC"},
        "node_modules/a/lib/package.json": {"type": "module"},
        "package.json": {"name": "nni", "version": "999", "license": "MIT"},
    }
    for name, content in contents.items():
        path = tmp_path / "nni_node" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    nni = package(tmp_path / "nni-3.0.dist-info", "Name: nni\nVersion: 3.0\n")
    (tmp_path / "nni-3.0.dist-info" / "RECORD").write_text("".join(f"nni_node/{name},,\n" for name in contents))
    assert javascript_table(nni) == "| MIT (2) | a 1, b 2 |\n| ISC (1) | @c/d 3 |\n"


def test_other_versions_than_the_locked_are_refused() -> None:
    with pytest.raises(BadInput, match=r"pytest \S+ is installed, but 0\.1 locked"):
        python_table({"pytest": "0.1"})
    with pytest.raises(BadInput, match="nowhere-at-all is not installed"):
        python_table({"nowhere-at-all": "1"})
