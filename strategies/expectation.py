"""The local search: dilations move to their expectation over learnt branches (Gao et al., CVPR 2021, section 3.3).

A chain starts from one structure and goes through its iterations one after another; several chains go side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from common.bad_input import BadInput
from nas_space.branching import Branching, next_structure
from nas_space.network import Network
from nas_space.structure import Structure
from nni_api.trial_report import TrialReport
from strategies.proposal import Proposal


@dataclass
class Chain:
    """One chain: where it is, and whether it has ended."""

    dilations: list[int]
    """In the order of the labels; of the iteration that is next, or the chain's result once it has ended."""
    variant: dict[str, int]
    """What the chain's trials are told besides, such as ``{"seed": 1}``."""
    iteration: int = 0
    """Iterations that are done."""
    pending: int | None = None
    """The proposal that is being trained."""
    ended: str | None = None
    """Why the chain has ended."""


class _Step(NamedTuple):
    chain: int
    iteration: int
    dilations: str
    """As text: a tuner writes all of the state at every event, and 40 numbers take ten times as long."""

    def structure(self, network: Network) -> Structure:
        return Structure(tuple(map(int, self.dilations.split())), network)


@dataclass
class ExpectationSearch:
    """Expectation-guided local search; see ``strategies.proposal.Search`` for the protocol.

    Args:
        starts: the start structure of each chain, and what its trials are told besides.
        branching: how branches are put around a dilation.
        iterations: how many times the dilations of a chain move.

    Raises:
        BadInput: no chains, no iterations, or a start with a dilation beyond the bounds.
    """

    starts: Sequence[tuple[Structure, Mapping[str, int]]]
    branching: Branching
    iterations: int = 10
    chains: list[Chain] = field(init=False)
    _steps: list[_Step] = field(init=False, default_factory=list)
    _network: Network = field(init=False)
    _unreported: set[int] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        if type(self.iterations) is not int or self.iterations < 1:
            raise BadInput(f"iterations must be a whole number of at least 1, not {self.iterations!r}")
        if not self.starts:
            raise BadInput("a local search needs at least one start structure")
        for structure, _ in self.starts:
            self.branching.check(structure)
        self._network = self.starts[0][0].network
        self.chains = [Chain(list(structure.dilations), dict(variant)) for structure, variant in self.starts]

    def ask(self) -> Proposal | None:
        """The next iteration of the chain that has come least far and is not at work; None if there is none."""
        free = [index for index, chain in enumerate(self.chains) if chain.pending is None and chain.ended is None]
        if not free:
            return None
        index = min(free, key=lambda index: self.chains[index].iteration)
        chain = self.chains[index]
        self._steps.append(_Step(index, chain.iteration, " ".join(map(str, chain.dilations))))
        chain.pending = len(self._steps) - 1
        return self.proposal(chain.pending)

    def proposal(self, uid: int) -> Proposal:
        """A proposal that was handed out before. Raises ValueError where there is none of that number."""
        if type(uid) is not int or not 0 <= uid < len(self._steps):
            raise ValueError(f"there is no proposal {uid!r}")
        step = self._steps[uid]
        place = {"chain": step.chain, "iteration": step.iteration, **self.chains[step.chain].variant}
        dilations = step.structure(self._network).by_label()
        branching = self.branching.to_text()
        return Proposal(uid, dilations, {**place, "branching": branching}, {**place, "_branching": branching})

    def tell(self, uid: int, report: TrialReport) -> bool:
        """What the branches of an iteration have learned: its chain moves to the expectation. False for a second time.

        Raises:
            RuntimeError: the report has no branch probabilities.
        """
        if report.probabilities is None:
            raise RuntimeError(f"the trial of proposal {uid} reports no branch probabilities")
        step = self._steps[uid]
        chain = self.chains[step.chain]
        if chain.iteration != step.iteration:
            return False
        before = step.structure(self._network)
        chain.dilations = list(next_structure(before, self.branching, report.probabilities).dilations)
        chain.iteration += 1
        chain.pending, chain.ended = None, None
        self._unreported.discard(step.chain)
        if chain.iteration == self.iterations:
            self._end(step.chain, "done")
        return True

    def fail(self, uid: int) -> None:
        """An iteration could not be trained: its chain ends with what it has."""
        step = self._steps[uid]
        chain = self.chains[step.chain]
        if chain.pending == uid:
            chain.pending = None
            self._end(step.chain, f"iteration {step.iteration} failed")

    def reopen(self, uid: int) -> None:
        """An iteration that failed, and ended its chain, is to be tried again after all."""
        step = self._steps[uid]
        chain = self.chains[step.chain]
        if chain.pending is None and chain.iteration == step.iteration:
            chain.pending, chain.ended = uid, None
            self._unreported.discard(step.chain)

    def add_trial(self, report: TrialReport) -> None:
        """A structure that somebody added on the web page belongs to no chain."""

    def news(self) -> list[dict[str, Any]]:
        """Chains that have ended since the last call, with the structures that they ended with."""
        ended = sorted(self._unreported)
        self._unreported.clear()
        return [
            {
                "event": "chain_ended",
                "chain": index,
                "why": self.chains[index].ended,
                "iterations": self.chains[index].iteration,
                "structure": Structure(tuple(self.chains[index].dilations), self._network).by_label(),
            }
            for index in ended
        ]

    def _describe(self) -> dict[str, Any]:
        starts = [[structure.by_label(), dict(variant)] for structure, variant in self.starts]
        return {"branching": self.branching.describe(), "iterations": self.iterations, "starts": starts}

    def _end(self, index: int, why: str) -> None:
        self.chains[index].ended = why
        self._unreported.add(index)

    def is_open(self, uid: int) -> bool:
        """Whether an iteration is neither done nor failed."""
        return self.chains[self._steps[uid].chain].pending == uid

    @property
    def pending(self) -> list[int]:
        """Iterations that are neither done nor failed, in order."""
        return sorted(chain.pending for chain in self.chains if chain.pending is not None)

    @property
    def finished(self) -> bool:
        """Whether all chains have ended."""
        return all(chain.ended is not None for chain in self.chains)

    def state_dict(self) -> dict[str, Any]:
        """All of the state as JSON content; nothing in this search is random."""
        return {
            "search": self._describe(),
            "chains": [dict(vars(chain)) for chain in self.chains],
            "steps": list(self._steps),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state, as if never interrupted.

        Raises:
            BadInput: the state is of a search with other branches or other chains.
            KeyError, TypeError, ValueError, ...: it is damaged.
        """
        if state["search"] != self._describe():
            raise BadInput("the saved local search has other branches, iterations or chains: start a new experiment")
        self.chains = [Chain(**chain) for chain in state["chains"]]
        self._steps = [_Step(*step) for step in state["steps"]]
        if len(self.chains) != len(self.starts) or any(chain.iteration < 0 for chain in self.chains):
            raise ValueError("chains are missing")
        for structure in [Structure(tuple(chain.dilations), self._network) for chain in self.chains] + [
            step.structure(self._network) for step in self._steps
        ]:
            self.branching.check(structure)
        for uid in (*range(len(self._steps)), *(chain.pending for chain in self.chains if chain.pending is not None)):
            self.proposal(uid)
        # A kill may have come between the end of a chain and its record.
        self._unreported = {index for index, chain in enumerate(self.chains) if chain.ended is not None}
