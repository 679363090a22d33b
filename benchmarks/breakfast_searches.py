"""The searches on Breakfast as its YAML files say them: how many trials, and of how many epochs.

The numbers are looked up in the text, because PyYAML need not be there.
"""

from __future__ import annotations

import re

from benchmarks.interleaved import REPOSITORY
from benchmarks.search_hours import Workload

EPOCHS = r"--epochs (\d+)"


def number(file: str, pattern: str) -> int:
    """The only number that follows the pattern in a file of Breakfast, comments aside."""
    text = (REPOSITORY / "experiments" / f"breakfast_{file}.yml").read_text()
    (found,) = re.findall(pattern, re.sub(r"#.*", "", text))
    return int(found)


def seeds(file: str) -> int:
    """How many seeds a file has."""
    text = (REPOSITORY / "experiments" / f"breakfast_{file}.yml").read_text()
    (found,) = re.findall(r"\bseeds: \[([\d, ]+)\]", text)
    return len(found.split(","))


def genetic_search(file: str) -> Workload:
    """The genetic search of a file: ``paper`` has the paper's settings."""
    trials = number(file, r"\bbudget: (\d+)")
    return Workload(f"genetic search, breakfast_{file}.yml", "plain", trials, number(file, EPOCHS), True)


def default_search() -> list[Workload]:
    """The parts of the pipeline's default search: a global search, a local search of its best, one final training."""
    return [
        Workload("differentiable search", "choosing", seeds("differentiable"), number("differentiable", EPOCHS), True),
        Workload("local search", "branched", number("local", r"\biterations: (\d+)"), number("local", EPOCHS), True),
        Workload("final training", "plain", 1, number("final", EPOCHS), False),
    ]
