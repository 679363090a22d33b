"""A real NNI experiment in a home folder of its own, timed from the outside and by a stopwatch in NNI's manager."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from benchmarks.interleaved import REPOSITORY
from benchmarks.trial_gap import Event, read_events
from common.bad_input import KnownFailure
from studies.scale.costs import Costs

STOPWATCH = Path(__file__).with_name("stopwatch.js")
STOPWATCH_FILE = "stopwatch.txt"


@dataclass(frozen=True)
class RealRun:
    """An experiment whose trials have all succeeded."""

    trials: int
    seconds: float
    """From the start of its first trial to the end of its last."""
    trial_seconds: float
    """Of a trial's process, on average."""
    stopwatch: tuple[str, ...]
    """What NNI's manager did, see ``stopwatch.js``."""

    @classmethod
    def of(cls, events: Sequence[Event], stopwatch: Iterable[str]) -> RealRun:
        """From NNI's starts and ends of trials, and from the lines of the stopwatch.

        Raises:
            KnownFailure: a trial has not succeeded.
        """
        starts = [time for time, state in events if state == "RUNNING"]
        ends = [time for time, state in events if state == "SUCCEEDED"]
        if not starts or len(starts) != len(ends):
            raise KnownFailure(f"{len(starts)} trials have started, and {len(ends)} have succeeded")
        trial_seconds = (sum(ends) - sum(starts)) / len(starts)
        return cls(len(starts), max(ends) - min(starts), trial_seconds, tuple(stopwatch))

    @property
    def costs(self) -> Costs:
        """The manager's own times in this run, and all else as it stands in ``Costs``."""
        seconds = measured(self.stopwatch)
        return replace(Costs(), **{name: seconds[name] for name in ("submission", "end", "report", "listing")})


def measured(stopwatch: Iterable[str]) -> dict[str, float]:
    """Seconds of each thing that the manager did, on average, by what it was: of one, where it did several at once."""
    counts: dict[str, int] = defaultdict(int)
    seconds: dict[str, float] = defaultdict(float)
    for line in stopwatch:
        what, count, milliseconds = line.split()
        if int(count):
            counts[what] += int(count)
            seconds[what] += float(milliseconds) / 1000
    return {what: seconds[what] / count for what, count in counts.items()}


def run_experiment(config: dict[str, Any], folder: Path) -> RealRun:
    """Run an experiment to its end through ``experiments.launch``.

    Args:
        folder: for its home folder and the feature cache; other experiments of it may have run before, none runs now.

    Raises:
        KnownFailure: it has failed, or one of its trials.
    """
    home, stopwatch = folder / "home", folder / STOPWATCH_FILE
    home.mkdir(parents=True, exist_ok=True)
    stopwatch.unlink(missing_ok=True)
    path = folder / "experiment.yml"
    path.write_text(yaml.safe_dump(config))
    environment = {
        **os.environ,
        "HOME": str(home),
        "G2L_CACHE": str(folder / "cache"),
        "G2L_STOPWATCH": str(stopwatch),
        "NODE_OPTIONS": f'{os.environ.get("NODE_OPTIONS", "")} --require "{STOPWATCH}"'.strip(),
    }
    command = [sys.executable, "-m", "experiments.launch", str(path)]
    launched = subprocess.run(
        command, cwd=REPOSITORY, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if launched.returncode:
        raise KnownFailure(f"experiments.launch ended: {launched.stderr}")
    database = home / "nni-experiments" / launched.stdout.strip() / "db" / "nni.sqlite"
    return RealRun.of(read_events(database), stopwatch.read_text().splitlines())
