from __future__ import annotations

from typing import Any

from strategies.tuners import GlobalTuner
from tests.strategies.fake_nni import FakeNni, Trial


def tuner(budget: int = 5, **arguments: Any) -> GlobalTuner:
    """A tuner over the small space: 3 layers of 3 candidates."""
    return GlobalTuner(population_size=2, budget=budget, network="ms-tcn:stages=1,layers=3", **arguments)


def uids(trials: list[Trial]) -> list[int | None]:
    return [trial.uid for trial in trials]


def kinds(nni: FakeNni) -> list[str]:
    return [event["event"] for event in nni.records()]


def contents(events: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    """Some fields of each event."""
    return [tuple(event[name] for name in names) for event in events]


def failures(nni: FakeNni) -> list[tuple[Any, ...]]:
    return contents(nni.records("failed"), "uid", "reason", "again")
