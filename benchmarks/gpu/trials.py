"""Trials of a genetic search on a device through NNI, one after another, on made-up videos."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
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


def trials_an_hour(device: torch.device, size: Size, videos: int, count: int) -> float:
    """From the end of the first trial, which packs the features, to the end of the last one."""
    with tempfile.TemporaryDirectory(prefix="gpu-trials-") as name:
        folder = Path(name)
        generate(folder / "made_up", videos + 1, size.frames, size.feature_dim)  # one of them for the test list
        os.environ["G2L_CACHE"] = str(folder / "cache")
        made_up = argparse.Namespace(dataset="made_up", data_root=folder)
        options = f"--split 1 --epochs {EPOCHS} --batch-size {size.batch_size} --device {device}"
        rows = run_trials(f"{trial_command('benchmarks.gpu.trials', made_up)} {options}", count)
    return 3600 * (count - 1) / (rows[-1]["ended"] - rows[0]["ended"])


if __name__ == "__main__":
    run_command(trial)
