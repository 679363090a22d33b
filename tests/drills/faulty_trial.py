"""A trial in which a fault strikes: ``python3 -m tests.drills.faulty_trial FAULT ARMED MODULE OPTIONS...``.

MODULE is the trial's own module. A fault that strikes once does so in the trial that takes the file ARMED away; the
others strike in every trial as long as that file is there.
"""

from __future__ import annotations

import os
import resource
import runpy
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch


def dies_in_write(suffix: str) -> Callable[[Path], None]:
    """kill -9 in the middle of the writing of a file of that suffix: half of it is on disk."""

    def prepare(armed: Path) -> None:
        fsync = os.fsync

        def strike(file: int) -> None:
            if suffix in str(Path(f"/proc/self/fd/{file}").readlink()) and taken(armed):
                os.ftruncate(file, os.fstat(file).st_size // 2)
                os.kill(os.getpid(), signal.SIGKILL)
            fsync(file)

        patch.object(os, "fsync", strike).start()

    return prepare


def hangs(armed: Path) -> None:
    """The training never ends."""
    from trials.training.training import Training

    run_epoch = Training.run_epoch

    def strike(*arguments: Any) -> float:
        while taken(armed):
            time.sleep(3600)
        return run_epoch(*arguments)

    patch.object(Training, "run_epoch", strike).start()


def loses_the_loss(armed: Path) -> None:
    """The loss becomes NaN."""
    import torch

    from trials.training.training import Training

    step = Training.step

    def strike(*arguments: Any) -> torch.Tensor:
        return torch.tensor(torch.nan) if taken(armed) else step(*arguments)

    patch.object(Training, "step", strike).start()


def loses_the_checkpoints(armed: Path) -> None:
    """The checkpoints of all chains have disappeared when the trial starts."""
    from trials.nni_trial import experiment_folder

    if taken(armed):
        for path in experiment_folder().glob("chains/*/*.pt"):
            path.unlink()


def fills_the_disk(armed: Path) -> None:
    """No file may grow beyond 5000 bytes: enough for what is printed, too little for a checkpoint or a cache."""
    if taken(armed):
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))


def fills_the_disk_for_the_cache(armed: Path) -> None:
    """The same, in the trial that builds the feature cache, as soon as it does."""
    from trials.data.feature_cache.cache import FeatureCache

    write = FeatureCache._write

    def strike(*arguments: Any) -> None:
        fills_the_disk(armed)
        write(*arguments)

    patch.object(FeatureCache, "_write", strike).start()


def lacks_a_package(armed: Path) -> None:
    """An import fails before the trial can report anything."""
    if armed.exists():
        raise ModuleNotFoundError("No module named 'a_package_that_is_missing'")


def exits(armed: Path) -> None:
    """An import ends the process without a word."""
    if armed.exists():
        sys.exit(1)


def needs_too_much_memory(armed: Path) -> None:
    """The system kills the trial, as it does for lack of memory."""
    if armed.exists():
        os.kill(os.getpid(), signal.SIGKILL)


FAULTS: dict[str, Callable[[Path], None]] = {
    "dies-in-checkpoint": dies_in_write(".pt."),
    "dies-in-cache": dies_in_write(".features."),
    "hangs": hangs,
    "loses-the-loss": loses_the_loss,
    "loses-the-checkpoints": loses_the_checkpoints,
    "fills-the-disk": fills_the_disk,
    "fills-the-disk-for-the-cache": fills_the_disk_for_the_cache,
    "lacks-a-package": lacks_a_package,
    "exits": exits,
    "needs-too-much-memory": needs_too_much_memory,
}


def taken(armed: Path) -> bool:
    """Whether this process took the file away: only one of several can."""
    try:
        armed.unlink()
    except FileNotFoundError:
        return False
    return True


def main() -> None:
    """Prepare the fault, then be the trial."""
    fault, armed, module = sys.argv[1:4]
    FAULTS[fault](Path(armed))
    del sys.argv[1:4]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
