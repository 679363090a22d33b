"""``--max-hours``: how long the searches may run, and which of those that ended early go on."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.plan import Step

Known = Mapping[str, Any]
"""What a run has noted of a step."""


def hours(text: str) -> float:
    """The value of ``--max-hours``. Raises ArgumentTypeError for what is no time."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"it must be a number above 0, not {text!r}")
    return number


def share_of(step: Step, steps: Sequence[Step], known: Mapping[str, Known], max_hours: float | None) -> float | None:
    """How long the search of a step may run in all, in hours; None: to its end.

    Searches that are not done have equal shares of what those that are done have left of ``max_hours``, so that each
    gets its turn, and all of them end in that time. Final trainings are never cut short.
    """
    if max_hours is None or step.result is None:
        return None
    others = [known[other.name] for other in steps if other.result is not None and other.name != step.name]
    spent = sum(other.get("ran", 0.0) for other in others if other.get("done"))
    return max(0.0, max_hours - spent) / (1 + sum(not other.get("done") for other in others))


def goes_on(step: Step, steps: Sequence[Step], known: Mapping[str, Known], max_hours: float | None) -> bool:
    """Whether a search that ended early goes on: ``max_hours`` is longer now, and nothing rests on what it found."""
    before = known[step.name].get("ended_early")
    if before is None or step.result is None or (max_hours is not None and max_hours <= before):
        return False
    later = steps[[other.name for other in steps].index(step.name) + 1 :]
    return not any(
        known[other.name] and (other.result is None or other.result.parent == step.result.parent) for other in later
    )
