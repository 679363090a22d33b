"""The rooms of the house: imports go one way."""

from __future__ import annotations

import ast
import tomllib

import pytest

from tests.conftest import REPOSITORY

BELOW = {
    "common": set[str](),
    "nas_space": {"common"},
    "nni_api": {"common", "nas_space"},
    "strategies": {"common", "nas_space", "nni_api"},
    "trials": {"common", "nas_space", "nni_api"},
    "analysis": {"common", "nas_space", "nni_api", "strategies", "trials"},
    "machines": {"common", "nas_space", "nni_api", "trials"},
}
BELOW["experiments"] = {*BELOW}
BELOW["benchmarks"] = BELOW["tools"] = {*BELOW}
BELOW["studies"] = {*BELOW} - {"tools"}
"""What each room may import besides itself."""


def imported(room: str) -> set[tuple[str, str]]:
    """Every module of a room, with the other rooms that it imports anywhere."""
    found = set()
    for path in (REPOSITORY / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            found |= {(str(path.relative_to(REPOSITORY)), name.partition(".")[0]) for name in names}
    return {(path, name) for path, name in found if name in {*BELOW, "tests"} - {room}}


def test_all_that_users_need_is_installed() -> None:
    """Every folder of modules but those of rooms that are for a checkout only."""
    listed = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    there = {
        path.parent.relative_to(REPOSITORY) for room in BELOW for path in REPOSITORY.glob(f"{room}/**/__init__.py")
    }
    for_a_checkout = ("benchmarks", "studies", "tools")
    assert listed == sorted(str(each).replace("/", ".") for each in there if each.parts[0] not in for_a_checkout)


def test_every_room_has_its_place() -> None:
    rooms = {path.parent.name for path in REPOSITORY.glob("*/__init__.py")} - {"tests"}
    assert rooms == set(BELOW)


@pytest.mark.parametrize("room", BELOW)
def test_imports_go_one_way(room: str) -> None:
    assert {(path, name) for path, name in imported(room) if name not in BELOW[room]} == set()
