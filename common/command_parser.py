"""What the help of every command has: its name, what it does, and an example."""

from __future__ import annotations

import argparse


def command_parser(module: str, purpose: str | None, example: str = "") -> argparse.ArgumentParser:
    """The parser of ``python -m MODULE``, without options yet.

    Args:
        module: such as ``trials.train``.
        purpose: the docstring of its ``main``.
        example: the options of the example.
    """
    command = f"python -m {module}"
    return argparse.ArgumentParser(prog=command, description=purpose, epilog=f"example: {command} {example}".rstrip())
