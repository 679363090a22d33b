from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch

from studies import worker_pool
from studies.worker_pool import run_all


def threads_times(number: int) -> int:
    return number * torch.get_num_threads()


def note_or_fail(folder: Path, number: int) -> None:
    if number == 1:
        raise ValueError("the second")
    (folder / str(number)).touch()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are forked from a process that has imported PyTorch: each would import it for seconds."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["torch"])
    monkeypatch.setattr(worker_pool, "get_context", lambda _: context)


@pytest.mark.usefixtures("quick")
def test_jobs_run_on_one_thread_and_results_keep_their_order() -> None:
    noted: dict[str, int] = {}
    results = run_all(2, threads_times, {"b": (3,), "a": (2,)}, "job", noted.__setitem__)
    assert list(results.items()) == [("b", 3), ("a", 2)]
    assert noted == results


@pytest.mark.usefixtures("quick")
def test_the_first_fault_is_told_before_the_jobs_that_have_not_begun(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the second"):
        run_all(1, note_or_fail, {number: (tmp_path, number) for number in range(50)}, "job")
    # The pool may have handed a few more to its worker.
    assert (tmp_path / "0").exists()
    assert len(list(tmp_path.iterdir())) < 10


PARENT = """
from pathlib import Path
from studies.worker_pool import run_all
from lasting import last

if __name__ == "__main__":
    run_all(1, last, {{0: (Path({folder!r}),)}}, "job")
"""

LASTING = """
import os, time

def last(folder):
    (folder / "pid.new").write_text(str(os.getpid()))
    (folder / "pid.new").rename(folder / "pid")
    time.sleep(600)
"""


def test_a_worker_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "lasting.py").write_text(LASTING)
    (tmp_path / "parent.py").write_text(PARENT.format(folder=str(tmp_path)))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path.cwd()), str(tmp_path)])}
    parent = subprocess.Popen([sys.executable, str(tmp_path / "parent.py")], env=environment)
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "pid").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    worker = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 30
    while Path(f"/proc/{worker}").exists() and "Z" not in Path(f"/proc/{worker}/stat").read_text().split()[2]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
