"""What a trial costs in addition to its training: measured times, and what they were measured with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Costs:
    """Seconds, unless said otherwise; one thing after another within each of manager, tuner and store."""

    poll: float = 0.5
    """NNI's manager sleeps so long after each look at its trials, local or remote (``pollInterval`` in its
    ``nnimanager.js``): it asks for new trials in one look, and starts them in the next one or a later one."""
    submission: float = 0.087
    """The manager starts a trial and stores that it did: ``python -m studies.scale --measure``."""
    end: float = 0.016
    """The manager stores that a trial has ended: the same."""
    report: float = 0.02
    """The manager stores what a trial reports: the same."""
    listing: float = 8e-5
    """The manager lists all trials, for each of them."""
    watch: float = 2.0
    """``g2l launch`` asks for that list so often (``POLL_SECONDS``)."""
    decision: float = 0.026
    """The tuner processes a result and answers a request: ``python -m benchmarks.simulated_load tuner``, at first."""
    decision_growth: float = 1.3e-5
    """More of that for each trial so far: the same, of 5,000 trials."""
    start: float = 4.0
    """From the start of a trial's process to its first step: ``python -m benchmarks.trial_start``."""
    store: float = 1e8
    """Bytes a second of checkpoints that home takes from other machines, and gives, in all: assumed, a network of about
    one gigabit a second."""
