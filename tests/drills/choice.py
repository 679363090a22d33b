"""Which drills a command runs."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TypeVar

from common.bad_input import BadInput
from common.command_parser import command_parser

Drill = TypeVar("Drill")


def chosen_drills(module: str, purpose: str | None, drills: Mapping[str, Drill], each: str) -> dict[str, Drill]:
    """The drills that the command line of ``python -m MODULE`` names, by name; none named: all. Its help lists them.

    Args:
        purpose: the docstring of the command's ``main``.
        each: how long one drill takes.

    Raises:
        BadInput: a drill is unknown.
    """
    width = max(map(len, drills)) + 2
    listed = "".join(f"  {name:<{width}}{drill.__doc__}\n" for name, drill in drills.items())
    parser = command_parser(module, purpose, next(iter(drills)))
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"drills:\n{listed}\n{parser.epilog}"
    parser.add_argument("drills", nargs="*", metavar="DRILL", help=f"which (default: all, {each} each)")
    names = parser.parse_args().drills
    unknown = [name for name in names if name not in drills]
    if unknown:
        raise BadInput(f"no such drill: {unknown[0]!r} (see --help)")
    return {name: drills[name] for name in names or drills}
