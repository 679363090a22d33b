"""The local search: dilations move to their expectation over learned branches (Gao et al., CVPR 2021, section 3.3).

A chain starts from one structure and goes through its iterations one after another; several chains go side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from common.bad_input import BadInput
from nas_space.branching import Branching, next_structure
from nas_space.network import Network
from nas_space.structure import Structure
from nni_api.trial_report import EARLIER, TrialReport
from strategies.proposals import Ledger, Proposal


@dataclass
class Chain:
    """How far one chain has come."""

    dilations: list[int]
    """In the order of the labels; of the iteration that is next, or the chain's result once it has ended."""
    variant: dict[str, int]
    """Further parameters of the chain's trials, such as ``{"seed": 1}``."""
    iteration: int = 0
    """Iterations that are done."""
    uid: int | None = None
    """The last proposal; None before the first."""
    structures: dict[str, str] = field(default_factory=dict)
    """The dilations of all its proposals as text, by iteration, as ``EARLIER`` has them."""


class _Step(NamedTuple):
    chain: int
    iteration: int
    dilations: str
    """As text: a tuner writes all of the state at every event, and 40 numbers take twenty times as long."""

    def structure(self, network: Network) -> Structure:
        return Structure(tuple(map(int, self.dilations.split())), network)


class ExpectationSearch:
    """Expectation-guided local search; see ``strategies.search.Search`` for the protocol.

    Args:
        starts: the start structure of each chain, and further parameters of its trials.
        branching: how branches are put around a dilation.
        iterations: how many times the dilations of a chain move.

    Raises:
        BadInput: no chains, no iterations, or a start with a dilation beyond the bounds.
    """

    def __init__(
        self, starts: Sequence[tuple[Structure, Mapping[str, int]]], branching: Branching, iterations: int = 10
    ) -> None:
        if type(iterations) is not int or iterations < 1:
            raise BadInput(f"iterations must be a whole number of at least 1, not {iterations!r}")
        if not starts:
            raise BadInput("a local search needs at least one start structure")
        for structure, _ in starts:
            branching.check(structure)
        self.branching = branching
        self.iterations = iterations
        self.chains = [Chain(list(structure.dilations), dict(variant)) for structure, variant in starts]
        self.ledger = Ledger()
        self._network = starts[0][0].network
        self._steps: list[_Step] = []
        self._settings = {
            "branching": branching.describe(),
            "iterations": iterations,
            "starts": [[structure.by_label(), dict(variant)] for structure, variant in starts],
        }
        self._reported: dict[int, str | None] = {}  # why each chain has ended, as the records have it

    def ask(self) -> Proposal | None:
        """The next iteration of the chain that has come least far and is not at work; None if there is none."""
        free = [index for index, chain in enumerate(self.chains) if not self._at_work(chain) and not self.ended(index)]
        if not free:
            return None
        index = min(free, key=lambda index: self.chains[index].iteration)
        chain = self.chains[index]
        self._steps.append(_Step(index, chain.iteration, " ".join(map(str, chain.dilations))))
        chain.structures[str(chain.iteration)] = self._steps[-1].dilations
        chain.uid = self.ledger.add()
        return self.proposal(chain.uid)

    def ended(self, index: int) -> str | None:
        """Why a chain has ended; None if it has not."""
        chain = self.chains[index]
        if chain.uid in self.ledger.failed:
            return f"iteration {chain.iteration} failed"
        return "done" if chain.iteration == self.iterations else None

    def proposal(self, uid: int) -> Proposal:
        """A proposal that was handed out before. Raises ValueError where there is none of that number."""
        self.ledger.check(uid)
        step = self._steps[uid]
        chain = self.chains[step.chain]
        place = {"chain": step.chain, "iteration": step.iteration, **chain.variant}
        dilations = step.structure(self._network).by_label()
        branching = self.branching.to_text()
        earlier = dict(islice(chain.structures.items(), step.iteration))
        extra = {**place, "_branching": branching, EARLIER: earlier}
        return Proposal(uid, dilations, {**place, "branching": branching}, extra)

    def tell(self, uid: int, report: TrialReport) -> bool:
        """What the branches of an iteration have learned: its chain moves to the expectation. False for a second time.

        Raises:
            RuntimeError: the report has no branch probabilities.
        """
        if report.probabilities is None:
            raise RuntimeError(f"the trial of proposal {uid} reports no branch probabilities")
        if not self.ledger.evaluate(uid):
            return False
        step = self._steps[uid]
        chain = self.chains[step.chain]
        before = step.structure(self._network)
        chain.dilations = list(next_structure(before, self.branching, report.probabilities).dilations)
        chain.iteration += 1
        return True

    def add_trial(self, report: TrialReport) -> None:
        """A structure that somebody added on the web page belongs to no chain."""

    def pop_events(self) -> list[dict[str, Any]]:
        """Chains that have ended since the last call, with the structures that they ended with."""
        events = []
        for index, chain in enumerate(self.chains):
            why = self.ended(index)
            if why is not None and why != self._reported.get(index):
                structure = Structure(tuple(chain.dilations), self._network).by_label()
                about = {"chain": index, "why": why, "iterations": chain.iteration, "structure": structure}
                events.append({"event": "chain_ended", **about})
            self._reported[index] = why
        return events

    def _at_work(self, chain: Chain) -> bool:
        return chain.uid in self.ledger.open

    @property
    def finished(self) -> bool:
        """Whether all chains have ended."""
        return all(map(self.ended, range(len(self.chains))))

    def state_dict(self) -> dict[str, Any]:
        """All of the state as JSON content; nothing in this search is random."""
        chains = [
            {
                "dilations": chain.dilations.copy(),
                "variant": chain.variant,
                "iteration": chain.iteration,
                "pending": chain.uid if self._at_work(chain) else None,
            }
            for chain in self.chains
        ]
        return {"search": self._settings, "chains": chains, "steps": list(self._steps)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state, as if never interrupted.

        Raises:
            BadInput: the state is of a search with other branches or other chains.
            KeyError, TypeError, ValueError, ...: it is damaged.
        """
        if state["search"] != self._settings:
            raise BadInput("the saved local search has other branches, iterations or chains: start a new experiment")
        for chain, saved in zip(self.chains, state["chains"], strict=True):
            chain.dilations, chain.iteration, chain.uid = saved["dilations"], saved["iteration"], None
            chain.structures = {}
            if not 0 <= chain.iteration <= self.iterations:
                raise ValueError("an iteration is beyond the last")
            self.branching.check(Structure(tuple(chain.dilations), self._network))
        self._steps = [_Step(*step) for step in state["steps"]]
        evaluated, failed = [], []
        for uid, step in enumerate(self._steps):
            self.branching.check(step.structure(self._network))
            chain = self.chains[step.chain]
            chain.uid = uid
            chain.structures[str(step.iteration)] = step.dilations
            if step.iteration < chain.iteration:
                evaluated.append(uid)
            elif state["chains"][step.chain]["pending"] != uid:
                failed.append(uid)
        if any(
            saved["pending"] not in (None, chain.uid) for chain, saved in zip(self.chains, state["chains"], strict=True)
        ):
            raise ValueError("a proposal is missing")
        self.ledger = Ledger.restore(len(self._steps), evaluated, failed)
        # A kill may have come between the end of a chain and its record: each end is an event again.
        self._reported = {}
