"""Write LICENCES.md: the licence of every locked package, as its installed metadata states it."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from importlib.metadata import Distribution, distribution
from importlib.metadata import PackageNotFoundError as NotInstalled
from pathlib import Path
from typing import Any

from common.atomic_file import write_text
from common.bad_input import BadInput, run_command
from common.command_parser import command_parser

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "constraints.txt"
OUTPUT = ROOT / "LICENCES.md"

JAVASCRIPT_PACKAGE = re.compile(r"nni_node/(?:.+/)?node_modules/(?:@[^/]+/)?[^/]+/package\.json")

HEAD = """\
# Licences of the packages that this project installs

Written by `python -m tools.licences` from what the packages of `constraints.txt` say of themselves. Each brings
along the texts of its licences. None is part of this repository, whose own licence is MIT (`LICENSE`).

| package | version | licence |
|---|---|---|
"""
JAVASCRIPT_HEAD = """
## JavaScript inside nni

The nni package brings along Node.js (its licence: MIT) and these packages, on which NNI's manager runs. The scripts of
its web page name their licences in the `*.LICENSE.txt` beside them.

| licence | packages |
|---|---|
"""


def read_lock(path: Path) -> dict[str, str]:
    """The versions of the locked packages, by name."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def licence_of(package: Distribution) -> str:
    """The licence of a Python package: an SPDX expression, else its short licence field, else its classifiers."""
    stated = package.metadata.get_all("License-Expression") or package.metadata.get_all("License") or []
    if stated and stated[0] and len(stated[0]) < 120:
        return stated[0]
    classifiers = package.metadata.get_all("Classifier") or []
    return ", ".join(name.split(" :: ")[-1] for name in classifiers if name.startswith("License ::")) or "not stated"


def licence_of_javascript(content: dict[str, Any]) -> str:
    """The licence in the package.json of a JavaScript package: a name, or in old ones objects with a type."""
    stated = content.get("license") or content.get("licenses") or "not stated"
    choices = stated if isinstance(stated, list) else [stated]
    return " OR ".join(choice["type"] if isinstance(choice, dict) else choice for choice in choices)


def python_table(lock: dict[str, str]) -> str:
    """One row per locked package.

    Raises:
        BadInput: a package is not installed, or in another version.
    """
    rows = []
    for name, version in lock.items():
        try:
            package = distribution(name)
        except NotInstalled:
            raise BadInput(f"{name} is not installed: 'make test' installs all of {LOCK.name}") from None
        if package.version.partition("+")[0] != version:  # torch 2.13.0+cpu is torch 2.13.0
            raise BadInput(f"{name} {package.version} is installed, but {version} locked: 'make test' installs it")
        rows.append(f"| {name} | {version} | {licence_of(package)} |\n")
    return "".join(rows)


def javascript_table(nni: Distribution) -> str:
    """One row per licence with its packages, the most frequent first."""
    packages: dict[str, set[str]] = defaultdict(set)
    for path in nni.files or ():
        if JAVASCRIPT_PACKAGE.fullmatch(str(path)):
            content = json.loads(path.read_text(encoding="utf-8"))
            packages[licence_of_javascript(content)].add(f"{content['name']} {content['version']}")
    rows = sorted(packages.items(), key=lambda row: (-len(row[1]), row[0]))
    return "".join(f"| {licence} ({len(names)}) | {', '.join(sorted(names))} |\n" for licence, names in rows)


def main() -> None:
    """Write LICENCES.md from the installed packages."""
    command_parser("tools.licences", main.__doc__).parse_args()
    table = python_table(read_lock(LOCK))
    write_text(OUTPUT, HEAD + table + JAVASCRIPT_HEAD + javascript_table(distribution("nni")))
    print(OUTPUT)


if __name__ == "__main__":
    run_command(main)
