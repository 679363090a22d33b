"""The tuner of a local search, as its tests start it."""

from __future__ import annotations

from typing import Any

from strategies.tuners import LocalTuner


def tuner(**arguments: Any) -> LocalTuner:
    """A tuner of one chain of two iterations, unless told otherwise."""
    settings = {"starts": ["hand"], "splits": [1], "seeds": [0], "iterations": 2, "expand_rate": 0.5}
    return LocalTuner(**{**settings, "network": "ms-tcn:stages=1,layers=3", **arguments})
