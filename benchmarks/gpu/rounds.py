"""Time functions on a GPU, interleaved in rounds: by the clock, waiting for the GPU before and after each."""

from __future__ import annotations

import math
import sys
import time
import traceback
from collections.abc import Callable, Hashable, Mapping
from typing import NamedTuple, TypeVar

import torch

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


class Measured(NamedTuple):
    """What was measured of one function."""

    seconds: list[float]
    """Of each round; NaN if it failed."""
    peak_bytes: int | None
    """Of the GPU's memory, above what was allocated before; None on a CPU."""


def wait_for(device: torch.device) -> None:
    """Wait until a GPU has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(function: Callable[[], object], device: torch.device) -> float:
    """By the clock, of one call."""
    wait_for(device)
    started = time.perf_counter()
    function()
    wait_for(device)
    return time.perf_counter() - started


def peak_of(function: Callable[[], object], device: torch.device) -> int | None:
    """The ``peak_bytes`` of one call."""
    if device.type != "cuda":
        function()
        return None
    wait_for(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    function()
    wait_for(device)
    return torch.cuda.max_memory_allocated(device) - before


def measure(
    functions: Mapping[Key, Callable[[], object]], device: torch.device, rounds: int, limit: float
) -> dict[Key, Measured]:
    """Time functions in rounds of alternating order, after two rounds to warm up, the second of which shows the memory.

    A function that fails is reported on standard error, and not called again: the others are measured all the same.

    Args:
        limit: seconds, rounds to warm up included, after which no further round is begun, except the first.
    """
    started = time.perf_counter()
    failed: set[Key] = set()

    def tried(key: Key, call: Callable[[Callable[[], object]], Result], otherwise: Result) -> Result:
        if key not in failed:
            try:
                return call(functions[key])
            except Exception:
                print(f"{key} failed:\n{traceback.format_exc()}", file=sys.stderr, flush=True)
                failed.add(key)
        return otherwise

    for key in functions:
        tried(key, lambda function: function(), None)
    measured = {key: Measured([], tried(key, lambda function: peak_of(function, device), None)) for key in functions}
    for index in range(rounds):
        if index > 0 and time.perf_counter() - started > limit:
            break
        for key in list(functions)[:: 1 if index % 2 == 0 else -1]:
            measured[key].seconds.append(tried(key, lambda function: seconds_of(function, device), math.nan))
        print(f"round {index + 1} of {rounds}", file=sys.stderr, flush=True)
    return measured
