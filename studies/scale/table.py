"""The plans on more and more GPUs as rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studies.scale.breakfast import TRIAL_SECONDS, Kind, Plan
from studies.scale.costs import Costs
from studies.scale.simulate import SHARES, Outcome

GPUS_BUSY = 0.9
"""From this share of training on, the GPUs are what limits a search."""


@dataclass(frozen=True)
class Row:
    """A plan on some GPUs."""

    plan: str
    gpus: int
    trial_seconds: float
    outcome: Outcome

    @property
    def bottleneck(self) -> str:
        """What the GPUs wait for most; ``GPUs`` where they hardly wait."""
        if self.outcome.share("training") >= GPUS_BUSY:
            return "GPUs"
        return max((name for name in SHARES if name != "training"), key=self.outcome.share)

    def describe(self) -> dict[str, Any]:
        """As a row of a CSV file."""
        outcome = self.outcome
        return {
            "plan": self.plan,
            "gpus": self.gpus,
            "trial_seconds": self.trial_seconds,
            "trials": outcome.trials,
            "hours": round(outcome.seconds / 3600, 3),
            "bottleneck": self.bottleneck,
            **{name: round(outcome.share(name), 4) for name in SHARES},
            **{f"{name} busy": round(share, 4) for name, share in outcome.busy.items()},
        }


def rows_of(
    plans: Sequence[Plan], gpus: Sequence[int], costs: Costs, seconds: Mapping[Kind, float] = TRIAL_SECONDS
) -> list[Row]:
    """Each plan on each number of GPUs that its managers can share evenly."""
    return [
        Row(plan.name, count, seconds[plan.kind], plan.outcome(count, costs, seconds))
        for plan in plans
        for count in gpus
        if count % plan.managers == 0
    ]


def text_table(rows: Sequence[Row]) -> str:
    """One line per row: hours, what the GPUs do and wait for, and how busy manager, tuner and store are."""
    width = max(len(row.plan) for row in rows)
    heads = ("training", "start", "store", "manager", "tuner", "idle")
    lines = [
        f"{'':<{width}}{'':>6}{'':>7}{'':>9}  {'of the time of the GPUs':<54}busy",
        f"{'':<{width}}{'GPUs':>6}{'trials':>7}{'hours':>9}"
        + "".join(f"{head:>9}" for head in (*heads, "manager", "tuner", "store"))
        + "  limited by",
    ]
    for row in rows:
        outcome = row.outcome
        shares = [*(outcome.share(name) for name in SHARES), *outcome.busy.values()]
        numbers = "".join(f"{100 * share:>7.1f} %" for share in shares)
        hours = outcome.seconds / 3600
        lines.append(f"{row.plan:<{width}}{row.gpus:>6}{outcome.trials:>7}{hours:>9.2f}{numbers}  {row.bottleneck}")
    return "\n".join(lines)
