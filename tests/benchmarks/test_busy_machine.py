"""The busy processes of the benchmark: there while it measures, and never afterwards."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress

import psutil
import pytest

from benchmarks.busy_machine import BUSY, busy_processes


def test_they_are_busy_until_the_end() -> None:
    with busy_processes(2) as processes:
        assert [process.poll() for process in processes] == [None, None]
    assert all(process.returncode is not None for process in processes)


def test_they_end_where_the_measurement_fails() -> None:
    with suppress(ZeroDivisionError), busy_processes(1) as processes:
        raise ZeroDivisionError
    assert processes[0].returncode is not None


def test_they_end_with_a_benchmark_that_was_killed() -> None:
    starts = (
        "import os, subprocess, sys\n"
        f"print(subprocess.Popen([sys.executable, '-c', {BUSY!r}.format(parent=os.getpid())]).pid, flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    started = subprocess.run([sys.executable, "-c", starts], stdout=subprocess.PIPE, text=True)
    assert started.returncode == -9
    with suppress(psutil.NoSuchProcess):
        left = psutil.Process(int(started.stdout))
        try:
            left.wait(timeout=60)
        except psutil.TimeoutExpired:
            left.kill()
            pytest.fail("it goes on")
