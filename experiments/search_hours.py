"""``--max-hours``: how long the searches may run, and which of those that ended early continue."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.steps import PipelineStep

Known = Mapping[str, Any]
"""The state of a step in ``pipeline.json``."""


def hours(text: str) -> float:
    """The value of ``--max-hours``. Raises ArgumentTypeError unless it is a positive number."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"it must be a number above 0, not {text!r}")
    return number


def share_of(
    step: PipelineStep, steps: Sequence[PipelineStep], known: Mapping[str, Known], max_hours: float | None
) -> float | None:
    """How long the search of a step may run in total, in hours; None: to its end.

    Unfinished searches get equal shares of what finished ones have left of ``max_hours``. Choice and final trainings
    are never limited.
    """
    if max_hours is None or step.result is None:
        return None
    others = [known[other.name] for other in steps if other.result is not None and other.name != step.name]
    spent = sum(other.get("ran", 0.0) for other in others if other.get("done"))
    return max(0.0, max_hours - spent) / (1 + sum(not other.get("done") for other in others))


def continues(
    step: PipelineStep, steps: Sequence[PipelineStep], known: Mapping[str, Known], max_hours: float | None
) -> bool:
    """Whether a search that ended early continues: ``max_hours`` is longer now, and nothing depends on its result."""
    before = known[step.name].get("ended_early")
    if before is None or step.result is None or (max_hours is not None and max_hours <= before):
        return False
    later = steps[[other.name for other in steps].index(step.name) + 1 :]
    return not any(
        known[other.name] and (other.result is None or other.result.parent == step.result.parent) for other in later
    )
