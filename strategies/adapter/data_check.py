"""The check that a tuner runs before it lets NNI start any trial."""

from __future__ import annotations

import logging
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

TIME_LIMIT = 6.0
"""Seconds: a bare nnictl gives up on a tuner that is not there after 10, of which 2 or more go into starting it."""


def failed_check(command: Any) -> str | None:
    """Run a command from the repository root; what it had to say if it failed, None if it did not.

    The command is not given to a shell. ``python3`` means the Python that runs the tuner.
    """
    if command is None:
        return None
    if not isinstance(command, str):
        return f"the check command must be one text, not {command!r}"
    try:
        words = shlex.split(command)
    except ValueError as fault:
        return f"the check command {command!r} cannot be read: {fault}"
    if not words:
        return "the check command is empty"
    if words[0] == "python3":
        words[0] = sys.executable
    root = Path(__file__).parent.parent.parent
    try:
        check = subprocess.run(
            words, cwd=root, capture_output=True, text=True, errors="replace", timeout=TIME_LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        # A slow disk is no fault of the data: the trials will tell.
        log.warning("the check did not end within %g s and is skipped: %s", TIME_LIMIT, command)
        return None
    except (OSError, ValueError) as fault:  # ValueError: a NUL character in it
        return f"the check command cannot be run: {fault}"
    return None if check.returncode == 0 else check.stderr.strip() or f"the check failed: {command}"
