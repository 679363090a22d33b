"""How every command refuses bad input: one line on standard error, exit code 2, no traceback."""

from __future__ import annotations

import errno
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

LONGEST_LINE = 2000
"""Longest message, in characters: a damaged file can contain a name of millions."""


class BadInput(ValueError):
    """The user's input cannot be used. The message names the file or option, the fault, and what to do."""


@contextmanager
def naming(what: object) -> Iterator[None]:
    """Begin the message of a BadInput with what it is about: a file, say."""
    try:
        yield
    except BadInput as fault:
        raise BadInput(f"{what}: {fault}") from None


class KnownFailure(RuntimeError):
    """A failure that its message explains in full: a traceback would not help."""


def run_command(main: Callable[[], None]) -> NoReturn:
    """Run ``main`` and exit: 0 done, 2 bad input, 130 interrupted; any other failure keeps its traceback.

    A ``KnownFailure`` is reported in one line, with code 1. So is a file or folder that the system refuses (no
    permission, not a folder, disk full): with code 2 if another path would do, else with code 1.
    """
    warnings.showwarning = _show_warning
    try:
        main()
        sys.stdout.flush()
    except BadInput as fault:
        print(f"error: {one_line(str(fault))}", file=sys.stderr)
        sys.exit(2)
    except KnownFailure as fault:
        print(f"error: {fault}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output (head, less) is gone: Python must not try to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as fault:
        if fault.filename is None and fault.errno in _FULL:
            # Errors of our own files name them; this one is of the file that our output is redirected to.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            print(f"error: standard output: {fault.strerror}", file=sys.stderr)
            sys.exit(1)
        if fault.filename is None:
            raise
        print(f"error: {one_line(f'{fault.filename}: {fault.strerror}')}", file=sys.stderr)
        sys.exit(2 if fault.errno in _WRONG_PATH else 1)
    sys.exit(0)


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_WRONG_PATH = (
    errno.ENOENT,
    errno.EEXIST,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.EACCES,
    errno.EPERM,
    errno.ENAMETOOLONG,
    errno.ELOOP,
)


def one_line(text: str) -> str:
    """A message as one line of bounded length, whatever the names in it contain."""
    line = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]} ..."


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    print(f"warning: {one_line(str(message))}", file=sys.stderr)
