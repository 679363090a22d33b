"""Simulated time: what happens when, and who does one thing after another."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

Act = Callable[[], None]


class Clock:
    """Simulated time, in seconds from 0."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Act]] = []
        self._order = itertools.count()

    def at(self, time: float, act: Act) -> None:
        """Do something at a time that has not passed; what comes at the same time is done in the order of the calls."""
        heapq.heappush(self._events, (time, next(self._order), act))

    def run(self) -> None:
        """Let time pass until nothing is left to do."""
        while self._events:
            self.now, _, act = heapq.heappop(self._events)
            act()


class Server:
    """Does one thing after another, in the order in which they come."""

    def __init__(self, clock: Clock) -> None:
        self.busy = 0.0
        """Seconds of all that it was given to do."""
        self._clock = clock
        self._free_at = 0.0

    def do(self, seconds: float, act: Act) -> None:
        """Work for so long, after all that was there before, and then act."""
        self.busy += seconds
        self._free_at = max(self._clock.now, self._free_at) + seconds
        self._clock.at(self._free_at, act)
