"""What every command has: help with its name, what it does and an example, and refusals of its options in one line."""

from __future__ import annotations

import argparse
from typing import NoReturn

from common.bad_input import BadInput


class CommandParser(argparse.ArgumentParser):
    """A parser that refuses options as all bad input is refused, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Raise BadInput."""
        raise BadInput(f"{message}; see {self.prog} --help" if self.add_help else message) from None


def command_parser(module: str, purpose: str | None, example: str = "") -> CommandParser:
    """The parser of ``python -m MODULE``, without options yet.

    Args:
        module: such as ``trials.train``.
        purpose: the docstring of its ``main``.
        example: the options of the example.
    """
    command = f"python -m {module}"
    return CommandParser(prog=command, description=purpose, epilog=f"example: {command} {example}".rstrip())
