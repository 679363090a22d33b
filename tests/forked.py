"""Processes that begin as a fork of this one, which has PyTorch loaded: a new Python would import it for seconds."""

from __future__ import annotations

import os
import resource
import runpy
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable
from typing import NoReturn

import torch

from common.bad_input import run_command

LONGEST = 240
"""Seconds until a fork is ended."""


def forked(run: Callable[[], object]) -> subprocess.CompletedProcess[str]:
    """Run something in a fork of this process up to its ``SystemExit``: its exit code, and the few lines it wrote.

    Threads do not come along: PyTorch computes on one, and refuses to train. What hangs nevertheless is ended.
    """
    pipes = [os.pipe(), os.pipe()]  # not files, which a full disk would not take
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: this process has threads
        child = os.fork()
    if not child:
        try:
            _run_to_its_end(run, *(write for _, write in pipes))
        finally:
            os._exit(1)
    written = []
    for read, write in pipes:
        os.close(write)
        with open(read) as pipe:
            written.append(pipe.read())
    return subprocess.CompletedProcess((), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), *written)


def _run_to_its_end(run: Callable[[], object], out: int, err: int) -> NoReturn:
    signal.alarm(LONGEST)
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)  # those of the parent's pool are not here, and would be waited for
    os.dup2(out, 1)
    os.dup2(err, 2)
    warnings.resetwarnings()  # those of pytest
    warnings.simplefilter("ignore", DeprecationWarning)
    code = 1
    with open(1, "w", closefd=False) as sys.stdout, open(2, "w", closefd=False) as sys.stderr:
        try:
            run()
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException:
            traceback.print_exc()
    os._exit(code)


def shell(module: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Run a command as ``python -m module`` does: only where the process itself is the matter."""

    def run() -> None:
        sys.argv = [module, *map(str, words)]
        sys.modules.pop(module, None)  # as before its import
        runpy.run_module(module, run_name="__main__", alter_sys=True)

    return forked(run)


def on_full_disk(main: Callable[[], None], room: int) -> subprocess.CompletedProcess[str]:
    """Run a command in a process whose files cannot grow beyond ``room`` bytes, as on a full disk."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        main()

    return forked(lambda: run_command(limited))
