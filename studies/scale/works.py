"""The searches that are simulated: the real ones, and trials that report something without training."""

from __future__ import annotations

from collections.abc import Sequence

from nas_space.branching import Branching
from nas_space.network import POWERS_OF_TWO, Network
from nas_space.structure import Structure
from nni_api.trial_report import TrialReport
from strategies.expectation import ExpectationSearch
from strategies.genetic import GeneticSearch
from strategies.proposals import Proposal
from strategies.trainings import Trainings
from studies.scale.simulate import Work


def genetic_work(
    network: Network,
    population: int,
    budget: int,
    seconds: float,
    epochs: int,
    candidates: Sequence[int] = POWERS_OF_TWO,
) -> Work:
    """A genetic search; a structure's score is the longer, the further its layers see.

    Args:
        seconds: of a trial's training.
        epochs: after each of which a trial reports.
    """
    search = GeneticSearch(dict.fromkeys(network.paths, candidates), population, budget)
    return Work(search, _length, seconds, epochs + 1)


def local_work(
    network: Network,
    branching: Branching,
    chains: int,
    iterations: int,
    seconds: float,
    epochs: int,
    bytes_left: int = 0,
) -> Work:
    """Chains of a local search; no branch is better than another, so that structures stay.

    Args:
        seconds, epochs: see ``genetic_work``.
        bytes_left: of the checkpoint that an iteration leaves, and the next one goes on from.
    """
    hand = Structure.hand(network)
    even = TrialReport(
        probabilities={
            label: [1 / len(branches)] * len(branches)
            for label, branches in ((label, branching.expand(dilation)) for label, dilation in hand.by_label().items())
        }
    )
    search = ExpectationSearch([(hand, {"seed": chain}) for chain in range(chains)], branching, iterations)
    return Work(search, lambda _: even, seconds, epochs + 1, bytes_left, _is_continued)


def training_work(count: int, seconds: float, epochs: int, bytes_left: int = 0) -> Work:
    """So many trainings that are known from the start: final ones, or the seeds of a differentiable search."""
    search = Trainings([Proposal(uid, {}, {}) for uid in range(count)])
    return Work(search, lambda _: TrialReport(), seconds, epochs + 1, bytes_left)


def _is_continued(proposal: Proposal) -> bool:
    return bool(proposal.about["iteration"] > 0)


def _length(proposal: Proposal) -> TrialReport:
    return TrialReport(metrics={"default": float(sum(map(int.bit_length, proposal.dilations.values())))})
