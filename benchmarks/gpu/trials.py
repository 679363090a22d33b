"""Trials of a genetic search on a device through NNI, one after another and side by side, on made-up videos."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.cache_memory import generate
from benchmarks.real_trials import run_trials, take_folder, trial_command, write_row
from common.bad_input import run_command
from trials import search_trial
from trials.trial_arguments import SEARCH_EPOCHS

if TYPE_CHECKING:
    import torch

    from benchmarks.gpu.step import Size

EPOCHS = SEARCH_EPOCHS


def trial() -> None:
    """Run as a trial, started by NNI; notes when it ended."""
    folder = take_folder()
    search_trial.main()
    write_row(folder, {"ended": time.monotonic()})


def trials_an_hour(
    device: torch.device, size: Size, videos: int, rounds: int, side_by_side: Sequence[int]
) -> dict[int, float]:
    """By how many trials run side by side; so many times ``rounds`` are run."""
    with tempfile.TemporaryDirectory(prefix="gpu-trials-") as name:
        folder = Path(name)
        generate(folder / "made_up", videos + 1, size.frames, size.feature_dim)  # one of them for the test list
        os.environ["G2L_CACHE"] = str(folder / "cache")
        made_up = argparse.Namespace(dataset="made_up", data_root=folder)
        options = f"--split 1 --epochs {EPOCHS} --batch-size {size.batch_size} --device {device}"
        command = f"{trial_command('benchmarks.gpu.trials', made_up)} {options}"
        return {
            count: rate([row["ended"] for row in run_trials(command, rounds * count, count)], count)
            for count in side_by_side
        }


def rate(ended: Sequence[float], side_by_side: int) -> float:
    """Trials an hour, without those that began first, one of which packs the features; at least one more.

    Args:
        ended: seconds, by any clock.
    """
    first, *others = sorted(ended)[side_by_side - 1 :]
    return 3600 * len(others) / (others[-1] - first)


if __name__ == "__main__":
    run_command(trial)
