"""Trials of a real NNI experiment, for benchmarks of whole trials."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from benchmarks.interleaved import REPOSITORY, benchmark_parser
from common.atomic_file import write_json
from experiments.launch import free_port, running, watch
from nas_space.networks import DEFAULT, find_network
from nas_space.structure import Structure


def process_age() -> float:
    """Seconds since the start of this process, to a hundredth."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def write_row(folder: Path, row: dict[str, Any]) -> None:
    """Write the measurements of a trial."""
    write_json(folder / f"{trial_number()}.json", row)


def trial_number() -> int:
    """The number of this trial in its experiment, from 0."""
    return int(os.environ["NNI_TRIAL_SEQ_ID"])


def real_trial_parser(name: str, description: str | None, rounds: int) -> argparse.ArgumentParser:
    """The options of all benchmarks of whole trials."""
    parser = benchmark_parser(name, description, rounds)
    parser.add_argument("--dataset", default="50salads_mid_svm", help="(default: %(default)s)")
    parser.add_argument("--data-root", type=Path, required=True, help="folder of data sets")
    return parser


def trial_command(module: str, arguments: argparse.Namespace) -> str:
    """The trial command of a benchmark, on the data that its options name."""
    return f"python3 -m {module} trial --dataset {arguments.dataset} --data-root {arguments.data_root.resolve()}"


def take_folder() -> Path:
    """Reduce the command line to the options of the search's trial; returns the folder for ``write_row``."""
    folder = Path(sys.argv[-1])
    sys.argv = sys.argv[:1] + sys.argv[2:-1]
    return folder


def run_trials(command: str, count: int, side_by_side: int = 1) -> list[dict[str, Any]]:
    """Run ``count`` trials of ``hand``; returns the row that each has written, in order.

    Args:
        command: trial command, to which a folder for ``write_row`` is appended.
        side_by_side: how many of them at a time.
    """
    with tempfile.TemporaryDirectory(prefix="real-trials-") as name:
        folder = Path(name)
        hand = Structure.hand(find_network(DEFAULT)).by_label()
        space = {label: {"_type": "choice", "_value": [dilation]} for label, dilation in hand.items()}
        config = {
            "experimentName": "benchmark",
            "trialCommand": f"{command} {folder}",
            "trialCodeDirectory": str(REPOSITORY),
            "trialConcurrency": side_by_side,
            "maxTrialNumber": count,
            # With identical parameters, NNI's tuners would treat the second trial as a duplicate and stop.
            "searchSpace": {**space, "number": {"_type": "choice", "_value": list(range(count))}},
            "tuner": {"name": "GridSearch"},
            "trainingService": {"platform": "local"},
        }
        path = folder / "benchmark.yml"
        path.write_text(yaml.safe_dump(config))
        with running(["create", "--config", str(path)], free_port(), "run the benchmark again") as experiment:
            watch(experiment, count)
        return [json.loads((folder / f"{number}.json").read_text()) for number in range(count)]
