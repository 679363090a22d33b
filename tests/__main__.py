"""The whole suite, side by side: ``python -m tests -n WORKERS [OPTION ...]``, with the options of pytest.

Each worker of xdist would be a new Python, and would import PyTorch and compile and import all tests again: a sixth of
the suite's time. Here workers are forks of one process that has done so.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

import pytest
from execnet import gateway_io
from execnet.gateway_io import Popen2IOMaster


class Nursery:
    """A process that has collected the tests, and forks a worker whenever it is asked to."""

    def __init__(self) -> None:
        self._requests, requests = socket.socketpair()
        self._process = os.fork()
        if not self._process:
            self._requests.close()
            _bring_up(requests)
        requests.close()

    def fork(self, *files: int) -> int:
        """Let a worker begin, with these files as its stdin, its stdout, and one that it holds open to its end.

        Returns:
            The worker's process id.
        """
        socket.send_fds(self._requests, [b"fork"], files)
        return int(self._requests.recv(32))

    def close(self) -> None:
        """End it; the workers go on."""
        self._requests.close()
        os.waitpid(self._process, 0)


class WorkerIO(Popen2IOMaster):
    """The files and the process of a worker, as execnet has them of a new Python."""

    def __init__(self, nursery: Nursery, execmodel: Any) -> None:
        (stdin, to_worker), (from_worker, stdout), (self._alive, alive) = (os.pipe() for _ in range(3))
        self._process = nursery.fork(stdin, stdout, alive)
        for file in (stdin, stdout, alive):
            os.close(file)
        super(Popen2IOMaster, self).__init__(os.fdopen(to_worker, "wb"), os.fdopen(from_worker, "rb"), execmodel)

    def wait(self) -> None:
        """Return once the worker has ended."""
        os.read(self._alive, 1)

    def kill(self) -> None:
        """End the worker."""
        with suppress(ProcessLookupError):
            os.kill(self._process, signal.SIGKILL)


def _bring_up(requests: socket.socket) -> None:
    """Collect all tests, then fork a worker for each request, until no more are asked for; never returns."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for pytest, which ends the workers
    terminal = os.dup(1)
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 1)
    pytest.main(["--collect-only", "-p", "no:cacheprovider"])  # what is wrong with them, the workers tell
    os.dup2(terminal, 1)
    while True:
        _, files, _, _ = socket.recv_fds(requests, 16, 3)
        if not files:
            os._exit(0)
        worker = os.fork()
        if not worker:
            requests.close()
            _be_worker(*files)
        requests.send(str(worker).encode())
        for file in files:
            os.close(file)


def _be_worker(stdin: int, stdout: int, _alive: int) -> None:
    """Do what ``python -c`` does with execnet's first line, and end."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(stdin, 0)
    os.dup2(stdout, 1)
    os.close(stdin)
    os.close(stdout)
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
    exec(gateway_io.popen_bootstrapline, {"__name__": "__main__"})
    sys.exit()


def main() -> int:
    """Run pytest with the options of the command line."""
    nursery = Nursery()
    setattr(gateway_io, "create_io", lambda _, execmodel: WorkerIO(nursery, execmodel))  # noqa: B010
    try:
        return pytest.main()
    finally:
        nursery.close()


if __name__ == "__main__":
    sys.exit(main())
