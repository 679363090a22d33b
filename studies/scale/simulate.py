"""Searches on many workers, as a simulation of events: workers, NNI's managers, tuners, the store of checkpoints.

The search is the real one (``strategies.search.Search``); only time is simulated. Managers, tuners and store each do
one thing after another:

* A manager looks at its trials: it notes each that has ended, then asks its tuner for as many new ones, then starts
  each that the tuner has answered with by then, and sleeps for ``Costs.poll``. In between it stores what trials report
  and lists all trials for whoever watches.
* A tuner processes results and requests in the order in which they come. What the search has no proposal for waits
  until a result brings one.
* A trial starts, pulls what it goes on from, trains, pushes what it leaves, and ends.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

from nni_api.trial_report import TrialReport
from strategies.proposals import Proposal
from strategies.search import Search
from studies.scale.costs import Costs
from studies.scale.servers import Clock, Server

Share = Literal["training", "start", "store", "manager", "tuner", "no proposal"]
SHARES: tuple[Share, ...] = get_args(Share)
"""What a worker does or waits for: ``no proposal`` for a search that has none, for now or for good."""


@dataclass(frozen=True)
class Work:
    """A search, and what its trials do."""

    search: Search
    report: Callable[[Proposal], TrialReport]
    """What the trial of a proposal reports."""
    seconds: float
    """Of each trial's training, from the first step on."""
    reports: int = 1
    """Of each trial: one an epoch, and the final one."""
    pushed: int = 0
    """Bytes that each trial leaves in the store."""
    pulls: Callable[[Proposal], bool] = lambda _: False
    """Whether the trial of a proposal first pulls as many."""


@dataclass(frozen=True)
class Outcome:
    """Searches side by side."""

    seconds: float
    """From their start to the end of the last trial."""
    first_start: float
    """When the first trial started."""
    trials: int
    workers: int
    """Of all searches together."""
    spent: dict[Share, float]
    """Seconds of all workers together, which add up to ``workers * seconds``."""
    busy: dict[Literal["manager", "tuner", "store"], float]
    """The share of the time in which each was at work; of several managers or tuners, on average."""

    def share(self, name: Share) -> float:
        """The part of the workers' time that was spent so."""
        return self.spent[name] / (self.workers * self.seconds)


def simulate(works: Sequence[Work], workers: int, costs: Costs) -> Outcome:
    """Run searches side by side, each with a manager, a tuner and workers of its own, and one store for all.

    Args:
        workers: of each: trials side by side, NNI's ``trialConcurrency``; each has a device of its own.
    """
    clock = Clock()
    store = Server(clock)
    experiments = [_Experiment(work, workers, costs, clock, store) for work in works]
    clock.run()
    end = max(each.last_end for each in experiments)
    for each in experiments:
        each.close(end)
    count = len(works)
    return Outcome(
        end,
        min(each.first_start for each in experiments),
        sum(each.started for each in experiments),
        count * workers,
        {name: sum(each.spent[name] for each in experiments) for name in SHARES},
        {
            "manager": sum(each.manager.busy for each in experiments) / (count * end),
            "tuner": sum(each.tuner.busy for each in experiments) / (count * end),
            "store": store.busy / end,
        },
    )


@dataclass
class _Request:
    """A worker that is free, and when what happened to it."""

    ended: float
    asked: float = math.inf
    """The manager's request reached the tuner."""
    refused: float = math.inf
    """The search had no proposal for it."""
    decided: float = math.inf


class _Experiment:
    """One search with its manager, its tuner and its workers."""

    def __init__(self, work: Work, workers: int, costs: Costs, clock: Clock, store: Server) -> None:
        self.manager, self.tuner, self._store = Server(clock), Server(clock), store
        self.spent: dict[Share, float] = dict.fromkeys(SHARES, 0.0)
        self.started, self._results = 0, 0
        self.first_start, self.last_end = math.inf, 0.0
        self._work, self._costs, self._clock = work, costs, clock
        self._ended: deque[_Request] = deque()
        self._noted: list[_Request] = []
        self._unserved: deque[_Request] = deque()
        self._decided: deque[tuple[_Request, Proposal]] = deque()
        self._asleep_since: float | None = 0.0
        self._ask([_Request(ended=0.0) for _ in range(workers)])

    def close(self, end: float) -> None:
        """Spend the time of workers that are free until the end."""
        for request in (*self._ended, *self._noted, *self._unserved):
            self._spend(request, end)

    # The manager

    def _wake(self) -> None:
        """Something awaits the manager's next look; while it sleeps, looks at nothing are left out."""
        if self._asleep_since is not None:
            sleeps = max(1, math.ceil((self._clock.now - self._asleep_since) / self._costs.poll))
            self._clock.at(self._asleep_since + sleeps * self._costs.poll, self._look)
            self._asleep_since = None

    def _look(self) -> None:
        if self._ended:
            self._noted.append(self._ended.popleft())
            self._manage(self._costs.end, self._look)
            return
        self._ask(self._noted)
        self._noted = []
        self._submit()

    def _submit(self) -> None:
        if self._decided:
            self._manage(self._costs.submission, partial(self._start, *self._decided.popleft()))
            return
        self._asleep_since = self._clock.now
        if self._ended:
            self._wake()

    def _manage(self, seconds: float, act: Callable[[], None]) -> None:
        # Whoever watches asks for a list of all trials, again and again; what that takes is spread evenly.
        listing = self._costs.listing * self.started
        self.manager.do(seconds * (1 + listing / self._costs.watch), act)

    # The tuner

    def _ask(self, requests: list[_Request]) -> None:
        if requests:
            for request in requests:
                request.asked = self._clock.now
            self.tuner.do(len(requests) * self._decision() / 2, partial(self._serve, requests))

    def _tell(self, proposal: Proposal) -> None:
        self._results += 1
        self._work.search.tell(proposal.uid, self._work.report(proposal))
        self._serve([])

    def _serve(self, more: list[_Request]) -> None:
        self._unserved.extend(more)
        while self._unserved and (proposal := self._work.search.ask()) is not None:
            request = self._unserved.popleft()
            request.decided = self._clock.now
            self._decided.append((request, proposal))
        for request in self._unserved:
            request.refused = min(request.refused, self._clock.now)
        if self._decided:
            self._wake()

    def _decision(self) -> float:
        return self._costs.decision + self._costs.decision_growth * self._results

    # Trials

    def _start(self, request: _Request, proposal: Proposal) -> None:
        now = self._clock.now
        self._spend(request, now)
        self.started += 1
        self.first_start = min(self.first_start, now)
        self.spent["start"] += self._costs.start
        self._clock.at(now + self._costs.start, partial(self._pull, proposal))
        self._submit()

    def _pull(self, proposal: Proposal) -> None:
        if self._work.pulls(proposal):
            self._transfer(partial(self._train, proposal))
        else:
            self._train(proposal)

    def _train(self, proposal: Proposal) -> None:
        began, seconds, reports = self._clock.now, self._work.seconds, self._work.reports
        for number in range(1, reports + 1):
            self._clock.at(began + seconds * number / reports, partial(self._manage, self._costs.report, _nothing))
        self.spent["training"] += seconds
        self._clock.at(began + seconds, partial(self._transfer, partial(self._end, proposal)))

    def _transfer(self, act: Callable[[], None]) -> None:
        came = self._clock.now

        def done() -> None:
            self.spent["store"] += self._clock.now - came
            act()

        self._store.do(self._work.pushed / self._costs.store, done)

    def _end(self, proposal: Proposal) -> None:
        self.last_end = self._clock.now
        self.tuner.do(self._decision() / 2, partial(self._tell, proposal))
        self._ended.append(_Request(ended=self._clock.now))
        self._wake()

    def _spend(self, request: _Request, until: float) -> None:
        """Spend the time of a worker that was free until then."""
        asked, refused, decided = (min(time, until) for time in (request.asked, request.refused, request.decided))
        answered = min(refused, decided)
        self.spent["manager"] += asked - request.ended + until - decided
        self.spent["tuner"] += answered - asked
        self.spent["no proposal"] += decided - answered


def _nothing() -> None:
    pass
