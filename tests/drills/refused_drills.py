"""Drills of searches that cannot go on: they end with a reason, and nothing is repeated without end."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.drills.drilled_search import DrilledSearch
from tests.drills.fault_drills import Drill
from tests.drills.nni_home import REPOSITORY, is_trial


def two_pipelines(folder: Path) -> DrilledSearch:
    """A second pipeline of the same name is started."""
    search = DrilledSearch(folder)
    command = [sys.executable, "-m", "experiments.pipeline", "--dataset", "demo", "--phases", "global"]
    command += ["--global-search", "genetic"]
    environment = {**search.environment(), "PYTHONPATH": str(REPOSITORY)}
    first = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL)
    search.wait_for_process(is_trial)
    started = time.monotonic()
    second = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    search.said, search.seconds = second.stderr, time.monotonic() - started
    if second.returncode != 2 or first.poll() is not None:
        raise RuntimeError(f"the second pipeline ended with {second.returncode}, the first with {first.poll()}")
    first.terminate()
    first.wait(timeout=60)
    return search


def wrong_path(folder: Path) -> DrilledSearch:
    """The trials are given a folder that is not there, and no check comes before them."""
    return _never_works(DrilledSearch(folder, more_options="--data-root nowhere"))


def package_missing(folder: Path) -> DrilledSearch:
    """Every trial fails at an import, before it can report."""
    return _never_works(DrilledSearch(folder, fault="lacks-a-package"))


def exit_at_import(folder: Path) -> DrilledSearch:
    """Every trial ends without a word at an import: sys.exit(1)."""
    return _never_works(DrilledSearch(folder, fault="exits"))


def out_of_memory(folder: Path) -> DrilledSearch:
    """Every trial is killed by the system, as for lack of memory."""
    return _never_works(DrilledSearch(folder, fault="needs-too-much-memory"))


REFUSED: tuple[Drill, ...] = (two_pipelines, wrong_path, package_missing, exit_at_import, out_of_memory)
"""These end with a reason."""


def _never_works(search: DrilledSearch) -> DrilledSearch:
    search.armed.touch()
    started = time.monotonic()
    search.start()
    search.finish()
    search.seconds = time.monotonic() - started
    return search
