"""How every command of this project refuses bad input: one line on standard error, exit code 2, no traceback."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import NoReturn


class BadInput(ValueError):
    """What a user gave us cannot be used. The message names the file or option, the fault, and what to do."""


def run_command(main: Callable[[], None]) -> NoReturn:
    """Run ``main`` and exit: 0 done, 2 bad input, 130 interrupted; any other failure keeps its traceback."""
    warnings.showwarning = _show_warning
    try:
        main()
    except BadInput as fault:
        print(f"error: {fault}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output (head, less) has gone: nothing is left to say, and Python must not try to flush.
        sys.stderr.close()
        sys.exit(1)
    sys.exit(0)


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    print(f"warning: {message}", file=sys.stderr)
