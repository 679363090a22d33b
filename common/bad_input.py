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
    permission, not a folder, disk full): with code 2 if another path would do, else with code 1. Where the reader of
    standard output has left (``head``, ``less``), it ends quietly, with code 1.
    """
    warnings.showwarning = _show_warning
    code = _code_of(main)
    try:
        if sys.stdout is not None:  # it is None where a shell has closed it: COMMAND >&-
            sys.stdout.flush()  # by Python at its end, a failure would be an "Exception ignored"
    except OSError as fault:
        refusal = _code_of_refusal(fault)
        code = code or refusal
    sys.exit(code)


def _code_of(main: Callable[[], None]) -> int | str | None:
    """Run ``main``, and report how it fails; what it exits with."""
    try:
        main()
    except SystemExit as end:
        return end.code
    except BadInput as fault:
        print(f"error: {one_line(str(fault))}", file=sys.stderr)
        return 2
    except KnownFailure as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except OSError as fault:
        return _code_of_refusal(fault)
    return 0


def _code_of_refusal(fault: OSError) -> int:
    """Report what the system refuses, and say what to exit with; raises what is no matter of files."""
    if isinstance(fault, BrokenPipeError):
        _discard_output()
        return 1
    if fault.filename is None and fault.errno in _FULL:
        # Errors of our own files name them; this one is of the file that our output is redirected to.
        _discard_output()
        print(f"error: standard output: {fault.strerror}", file=sys.stderr)
        return 1
    if fault.filename is None:
        raise fault
    print(f"error: {one_line(f'{fault.filename}: {fault.strerror}')}", file=sys.stderr)
    return 2 if fault.errno in _WRONG_PATH else 1


def _discard_output() -> None:
    """Let Python write what is still buffered to nowhere, as it would complain that it cannot write it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
