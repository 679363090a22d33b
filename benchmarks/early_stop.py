"""What early stopping would have saved in searches that ran, and whether it would have lost their best structure.

Each search is replayed from its tuner's records, trial by trial: the rule of ``strategies/early_stop.py``, and NNI's
Medianstop for comparison (Golovin et al., KDD 2017, section 3.2.2: stop where the best so far is below the median of
the running averages of the finished trials). The structures are those that were proposed without early stopping.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from statistics import mean, median

from analysis.history import Evaluation, find_experiment, read_history
from nas_space.bad_input import BadInput, run_command
from strategies.early_stop import NEEDED, EarlyStop

Stopping = Callable[[list[float], list[list[float]]], int | None]
"""(scores of a trial by epoch, those of the trials before) -> after how many epochs it stops, None if it does not."""


def at_epoch(epoch: int) -> Stopping:
    """The rule of ``EarlyStop``."""

    def stopping(curve: list[float], before: list[list[float]]) -> int | None:
        early = EarlyStop(epoch)
        for trial, earlier in enumerate(before):
            early.note(trial, [{"default": score} for score in earlier])
        needed = early.hints().get("_stop_below")
        return epoch if needed is not None and epoch < len(curve) and max(curve[:epoch]) < needed else None

    return stopping


def median_stop(curve: list[float], before: list[list[float]]) -> int | None:
    """NNI's Medianstop, which compares with finished trials only."""
    finished = [earlier for earlier in before if len(earlier) == len(curve)]
    for epoch in range(2, len(curve)):
        if len(finished) >= NEEDED and max(curve[:epoch]) < median(mean(earlier[:epoch]) for earlier in finished):
            return epoch
    return None


def replay(evaluations: Sequence[Evaluation], stopping: Stopping) -> tuple[float, float]:
    """Share of the epochs that a rule saves, and the best score at the end among the trials that it lets finish."""
    seen: list[list[float]] = []
    best = float("-inf")
    for evaluation in evaluations:
        curve = [epoch["default"] for epoch in evaluation.epochs]
        stop = stopping(curve, seen)
        seen.append(curve[:stop])
        if stop is None:
            best = max(best, curve[-1])
    return 1 - sum(map(len, seen)) / sum(len(evaluation.epochs) for evaluation in evaluations), best


def main() -> None:
    """Replay finished global searches with early stopping: epochs saved, and what it does to the best found."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.early_stop",
        description=main.__doc__,
        epilog="example: python -m benchmarks.early_stop tn6rj5h3 rufajye1 1jqvaw4r",
    )
    parser.add_argument("experiments", nargs="+", metavar="EXPERIMENT_ID", help="as nnictl prints them")
    parser.add_argument("--epochs", type=int, nargs="+", default=[2, 3, 5], help="to stop after (default: 2 3 5)")
    arguments = parser.parse_args()
    rules = {f"stop_epoch {epoch}": at_epoch(epoch) for epoch in arguments.epochs} | {"NNI's Medianstop": median_stop}
    searches = {}
    for experiment in arguments.experiments:
        evaluations = [each for each in read_history(find_experiment(experiment)).evaluations if each.epochs]
        if not evaluations:
            raise BadInput(f"{experiment}: no trial of it has reported epochs")
        searches[experiment] = evaluations
    for name, stopping in rules.items():
        lost = []
        saved = []
        for evaluations in searches.values():
            share, best = replay(evaluations, stopping)
            saved.append(share)
            lost.append(max(each.epochs[-1]["default"] for each in evaluations) - best)
        print(
            f"{name:<18} saves {mean(saved):4.0%} of the epochs ({min(saved):.0%} to {max(saved):.0%}); "
            f"the best is kept in {lost.count(0)} of {len(lost)} searches, else it is lower by {max(lost):.1f} at most"
        )
    print(
        f"{len(searches)} searches of {', '.join(str(len(each)) for each in searches.values())} trials", file=sys.stderr
    )


if __name__ == "__main__":
    run_command(main)
