"""The simulation against real NNI experiments on this machine: ``python -m studies.scale --check``.

Both sides have the same mean time of a trial, that of the real experiment, so that load of the machine enters both.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from studies.scale.comparisons import Comparison, do_nothing, real_searches
from studies.scale.costs import Costs
from studies.scale.real_run import RealRun

BOUND = 0.25
"""How far the median of an experiment's ratios may be from 1."""
ROUNDS = 3
WORKERS = (1, 2)


@dataclass(frozen=True)
class Checked:
    """A real experiment, and the same simulated."""

    name: str
    workers: int
    run: RealRun
    simulated: float
    """Seconds, with what the stopwatch in the manager measured in this run."""
    from_costs: float
    """Seconds, with ``Costs`` as they stand in the code."""

    @classmethod
    def of(cls, comparison: Comparison, run: RealRun) -> Checked:
        """The simulations of a real run."""
        simulated, from_costs = comparison.simulated(run, run.costs), comparison.simulated(run, Costs())
        return cls(comparison.name, comparison.workers, run, simulated, from_costs)

    def idle(self, seconds: float) -> float:
        """Seconds of a worker without a trial, if it took so long."""
        return seconds - self.run.trials * self.run.trial_seconds / self.workers

    def describe(self) -> dict[str, Any]:
        """As a row of a CSV file."""
        run = self.run
        return {
            "experiment": self.name,
            "workers": self.workers,
            "trials": run.trials,
            "trial_seconds": round(run.trial_seconds, 3),
            "submission": round(run.costs.submission, 4),
            "end": round(run.costs.end, 4),
            "report": round(run.costs.report, 4),
            "real": round(run.seconds, 2),
            "simulated": round(self.simulated, 2),
            "from_costs": round(self.from_costs, 2),
            "idle_real": round(self.idle(run.seconds), 2),
            "idle_simulated": round(self.idle(self.simulated), 2),
        }


def check_all() -> Iterator[Checked]:
    """Run every experiment ``ROUNDS`` times, one after another, and the trials that do nothing once.

    Raises:
        KnownFailure: one has failed.
    """
    with tempfile.TemporaryDirectory(prefix="scale-") as name:
        for number, workers in product(range(ROUNDS), WORKERS):
            folder = Path(name) / f"{number}-{workers}"
            for comparison in real_searches(folder, workers):
                yield Checked.of(comparison, comparison.run(folder))
        nothing = do_nothing()
        yield Checked.of(nothing, nothing.run(Path(name) / "nothing"))


def text_of(checked: Sequence[Checked]) -> str:
    """One line per experiment and number of workers: medians of its runs."""
    columns = ("runs", "trials", "a trial, s", "real, s", "simulated", "simulated/real", "from costs", "idle sim./real")
    width = max(len(each.name) for each in checked)
    lines = [f"{'':<{width}}{'workers':>8}" + "".join(f"{name:>15}" for name in columns)]
    for (name, workers), runs in grouped(checked).items():
        ratios = [each.simulated / each.run.seconds for each in runs]
        values = [
            f"{len(runs)}",
            f"{runs[0].run.trials}",
            f"{median(each.run.trial_seconds for each in runs):.2f}",
            f"{median(each.run.seconds for each in runs):.1f}",
            f"{median(each.simulated for each in runs):.1f}",
            f"{median(ratios):.2f}",
            f"{median(each.from_costs / each.run.seconds for each in runs):.2f}",
            f"{median(each.idle(each.simulated) / each.idle(each.run.seconds) for each in runs):.2f}",
        ]
        lines.append(f"{name:<{width}}{workers:>8}" + "".join(f"{value:>15}" for value in values))
    return "\n".join(lines)


def beyond_bound(checked: Sequence[Checked]) -> list[str]:
    """The experiments whose median ratio is further than ``BOUND`` from 1."""
    medians = {
        f"{name}, workers: {workers}": median(each.simulated / each.run.seconds for each in runs)
        for (name, workers), runs in grouped(checked).items()
    }
    return [f"{name}: {ratio:.2f}" for name, ratio in medians.items() if abs(ratio - 1) > BOUND]


def grouped(checked: Sequence[Checked]) -> dict[tuple[str, int], list[Checked]]:
    """The runs of each experiment and number of workers."""
    groups: dict[tuple[str, int], list[Checked]] = {}
    for each in checked:
        groups.setdefault((each.name, each.workers), []).append(each)
    return groups
