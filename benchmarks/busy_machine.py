"""Training with two threads on busy cores, against training with one.

Both cores are as busy as on a shared machine: threads that spin while they wait for each other then block each other,
and take 8 to 25 times as long; threads that wait passively do not (see ``nas_space``).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.interleaved import REPOSITORY, Bar, Finding, benchmark_parser, print_findings, ratios
from common.bad_input import BadInput, run_command
from experiments.demo_data import write_demo

CORES = 2
OPTIONS = "--dataset demo --split 1 --structure hand --network ms-tcn:stages=2,layers=5 --batch-size 1 --epochs 10"
BUSY = "import os\nwhile os.getppid() == {parent}:\n    sum(range(100_000))"
"""A process that keeps a core busy, and ends with the one that started it, however that ends."""


@contextmanager
def busy_processes(count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that keep one core busy each, until the context ends."""
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(count):
            processes.append(subprocess.Popen([sys.executable, "-c", BUSY.format(parent=os.getpid())]))
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def training_seconds(data_root: Path, output: Path, threads: int) -> float:
    """Wall-clock seconds of the epochs of a training, without the start of its process."""
    command = [sys.executable, "-m", "trials.train", *OPTIONS.split(), "--device", "cpu", "--threads", str(threads)]
    folders = ["--data-root", str(data_root), "--cache", str(data_root / "cache"), "--output", str(output)]
    subprocess.run([*command, *folders], cwd=REPOSITORY, check=True, capture_output=True)
    return float(json.loads((output / "metrics.json").read_text())["seconds"])


def main() -> None:
    """Train with one and with two threads, interleaved, on two cores with a busy process each."""
    parser = benchmark_parser("busy_machine", main.__doc__, rounds=5)
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[:CORES]
    if arguments.rounds < 1 or len(cores) < CORES:
        raise BadInput(f"at least 1 round and {CORES} cores are needed")
    os.sched_setaffinity(0, cores)  # inherited by all processes started here
    seconds: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory(prefix="busy-machine-") as name, busy_processes(CORES):
        folder = Path(name)
        write_demo(folder / "demo", train=16, test=1, seed=0)
        for index in range(arguments.rounds):
            for threads in (1, 2)[:: 1 if index % 2 == 0 else -1]:
                seconds[threads].append(training_seconds(folder, folder / f"{index}-{threads}", threads))
    print_findings(
        [
            Finding("one thread, s", seconds[1]),
            Finding("two threads, s", seconds[2]),
            Finding("two threads / one thread", ratios(seconds[2], seconds[1]), Bar("<=", 1.5)),
        ],
        threads="one and two threads",
    )


if __name__ == "__main__":
    run_command(main)
