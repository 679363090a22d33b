"""Chains of a local search from the same start, and what their trials report."""

from __future__ import annotations

from hypothesis import settings

from nas_space.branching import Branching
from nas_space.networks import ms_tcn
from nas_space.structure import Structure
from nni_api.trial_report import TrialReport
from strategies.expectation import ExpectationSearch
from strategies.proposals import Proposal

law = settings(deadline=None, max_examples=80)

NETWORK = ms_tcn.describe(stages=1, layers=2)
BRANCHING = Branching(count=3, rate=0.5, maximum=32)


def search(chains: int = 1, iterations: int = 3, branching: Branching = BRANCHING) -> ExpectationSearch:
    """Chains from 4, 8 that differ in their seed."""
    starts = [(Structure((4, 8), NETWORK), {"seed": seed}) for seed in range(chains)]
    return ExpectationSearch(starts, branching, iterations)


def asked(searching: ExpectationSearch) -> Proposal:
    proposal = searching.ask()
    assert proposal is not None
    return proposal


def learned(proposal: Proposal, branch: int) -> TrialReport:
    """A report of all probability on one branch of each layer: the lowest is 0, the highest -1."""
    sizes = {label: len(BRANCHING.expand(dilation)) for label, dilation in proposal.dilations.items()}
    return TrialReport(
        probabilities={label: [float(index == branch % size) for index in range(size)] for label, size in sizes.items()}
    )


def place(proposal: Proposal) -> tuple[int, int]:
    return proposal.about["chain"], proposal.about["iteration"]
