"""Compare functions in one process on one thread: interleaved in rounds of alternating order, as ratios per round.

Load on a shared machine then affects all of them alike. Times are CPU times, as on an idle machine.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from common.command_parser import command_parser

REPOSITORY = Path(__file__).parent.parent
CPU = torch.device("cpu")
WARM_UP_ROUNDS = 2


def interleaved_seconds(sides: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each side per round, after warm-up rounds; every second round runs in reverse order."""
    torch.set_num_threads(1)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for index in range(WARM_UP_ROUNDS + rounds):
        for name in list(sides)[:: 1 if index % 2 == 0 else -1]:
            before = time.process_time()
            sides[name]()
            seconds[name].append(time.process_time() - before)
    return {name: values[WARM_UP_ROUNDS:] for name, values in seconds.items()}


def ratios(slow: Sequence[float], fast: Sequence[float]) -> list[float]:
    """Ratio of the times of two sides, per round."""
    return [one / other for one, other in zip(slow, fast, strict=True)]


@dataclass(frozen=True)
class Bar:
    """A limit that a figure must meet on any processor.

    Speed has none: ours reaches 56 to 78 % of the peak, and the usual formulation 29 to 49 %, depending on the machine.
    """

    side: Literal[">=", "<="]
    limit: float

    def met(self, value: float) -> bool:
        """Whether a value meets it."""
        return value >= self.limit if self.side == ">=" else value <= self.limit

    def __str__(self) -> str:
        return f"{self.side} {self.limit:g}"


@dataclass(frozen=True)
class Finding:
    """One figure: its values in all rounds, whose median counts."""

    what: str
    values: Sequence[float]
    bar: Bar | None = None

    def __str__(self) -> str:
        lower, median, upper = np.percentile(self.values, [25, 50, 75])
        verdict = f"{self.bar!s:<9}{'met' if self.bar.met(median) else 'MISSED'}" if self.bar else ""
        return f"{self.what:<66}{median:>8.3g}  ({lower:.3g} - {upper:.3g})".ljust(96) + verdict


def print_findings(findings: Sequence[Finding], threads: str = "one thread") -> None:
    """Print a table, and the machine it was measured on."""
    print(f"{'':<66}{'median':>8}  (quartiles)".ljust(96) + "bar")
    for finding in findings:
        print(finding)
    rounds = len(findings[0].values)
    print(f"{processor()}, {threads}, PyTorch {torch.__version__}, {rounds} round{'s' * (rounds > 1)}")


def processor() -> str:
    """The name of the processor; on Linux with family and model, since a virtual one may only be "AMD EPYC"."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    entries = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in reversed(lines))}
    if "model name" not in entries:
        return platform.processor() or platform.machine()
    return f"{entries['model name']} (family {entries.get('cpu family')}, model {entries.get('model')})"


def benchmark_parser(name: str, description: str | None, rounds: int) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = command_parser(f"benchmarks.{name}", description, "--rounds 5")
    parser.add_argument("--rounds", type=int, default=rounds, metavar="N", help="(default: %(default)s)")
    return parser
