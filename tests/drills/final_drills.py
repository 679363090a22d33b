"""The fault drills of the final training: it is struck in the middle, and the same command is given again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.drills.drilled_final import SEEDS, DrilledFinal
from tests.drills.nni_home import find, is_manager, is_trial, is_tuner


def final_all_killed(folder: Path) -> DrilledFinal:
    """kill -9 of trials, tuner, manager and the pipeline in the final training, then the same command."""
    final = _struck(DrilledFinal(folder), lambda final: final.kill(is_manager, is_tuner, is_trial))
    return _go_on(final)


def final_orphaned(folder: Path) -> DrilledFinal:
    """kill -9 of manager and pipeline: final trainings end alone, and nobody hears of it; then the same command."""
    final = _struck(DrilledFinal(folder), lambda final: final.kill(is_manager))
    heard_of = len(final.history().evaluations)
    # A trial that was about to start needs the manager, and fails; one in training ends with a result.
    final.wait_for(lambda: not find(final.home, is_trial))
    final.before = final.results()
    if len(final.before) <= heard_of:
        raise RuntimeError("no final training ended alone")
    return _go_on(final)


def undisturbed_final(folder: Path) -> DrilledFinal:
    """Nothing strikes the final training."""
    final = DrilledFinal(folder)
    final.start()
    final.finish()
    return final


SURVIVED = (final_all_killed, final_orphaned)
"""After these, all trainings are there, with the numbers of a run that was not disturbed."""


def _struck(final: DrilledFinal, fault: Callable[[DrilledFinal], None]) -> DrilledFinal:
    final.start()
    final.wait_for_results(1)
    final.wait_for_training()
    final.strike(lambda: fault(final))
    final.finish()
    return final


def _go_on(final: DrilledFinal) -> DrilledFinal:
    final.resume()
    final.finish()
    if final.is_done() and final.trials() != len(SEEDS):
        raise RuntimeError(f"{final.trials()} trials were started for {len(SEEDS)} trainings")
    return final
