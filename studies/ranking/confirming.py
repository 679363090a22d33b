"""Does a confirmation pay: to train the best structures of a search again with other seeds, and let the mean decide?

Replays the trainings of ``studies.ranking.early_epochs``, with the same options and folder: one seed's validation score
after a few epochs is the search's, some other seeds are the confirmations, and what is chosen counts with its mean test
score over the seeds that are left. Every choice of seeds is replayed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np

from common.bad_input import BadInput, run_command
from common.command_parser import command_parser
from studies.ranking.early_epochs import EARLY_EPOCHS, Scores, Study
from trials.training.metrics import objective_value

BEST = 3
"""How many structures are confirmed."""
CONFIRMATIONS = 3
"""How many times each."""


def divisions(seeds: int, confirmations: int) -> Iterator[tuple[int, list[int], list[int]]]:
    """Every way to let one seed search and some others confirm; with the seeds that are left, for the test."""
    for first in range(seeds):
        others = [seed for seed in range(seeds) if seed != first]
        for confirming in combinations(others, confirmations):
            yield first, list(confirming), [seed for seed in others if seed not in confirming]


def gains(early: Scores, test: Scores, best: int, confirmations: int) -> tuple[float, float]:
    """How far the first choice, and the confirmed one, are above the mean of all structures on test videos.

    Args:
        early: (structures, seeds): validation scores of the short trainings.
        test: (structures, seeds): of the full ones.
        best: how many structures are confirmed.
        confirmations: how many seeds confirm; at least one must be left for the test.
    """
    found = []
    for first, confirming, left in divisions(early.shape[1], confirmations):
        order = np.argsort(-early[:, first], kind="stable")[:best]
        confirmed = order[np.argmax(early[order][:, confirming].mean(axis=1))]
        late = test[:, left].mean(axis=1)
        found.append((late[order[0]] - late.mean(), late[confirmed] - late.mean()))
    plain, chosen = np.mean(found, axis=0)
    return float(plain), float(chosen)


def jackknife_error(early: Scores, test: Scores, best: int, confirmations: int) -> float:
    """Standard error of what a confirmation adds, from leaving out one structure at a time (Tukey's jackknife)."""
    added = []
    for index in range(len(test)):
        without = np.delete(early, index, axis=0), np.delete(test, index, axis=0)
        plain, chosen = gains(*without, best, confirmations)
        added.append(chosen - plain)
    return float(np.sqrt((len(test) - 1) * np.var(added)))


def report(results: dict[tuple[str, int], dict[str, Any]], seeds: tuple[int, ...]) -> str:
    """The table, from the metrics.json content of each training by structure's name and seed.

    Raises:
        BadInput: there are too few seeds.
    """
    confirmations = min(CONFIRMATIONS, len(seeds) - 2)
    if confirmations < 1:
        raise BadInput("--seeds: at least 3 are needed, one to search, one to confirm, and one to measure by")
    names = [name for name in dict.fromkeys(name for name, _ in results) if name != "hand"]

    def scores(row: Any) -> Scores:
        return np.array([[objective_value(row(results[name, seed]), "mean") for seed in seeds] for name in names])

    epochs = len(results[names[0], seeds[0]]["history"])
    test = scores(lambda result: result["test"])
    lines = [f"{'':<18}{'best first score':>18}{'confirmed':>12}{'difference':>16}"]
    for epoch in (*(epoch for epoch in EARLY_EPOCHS if epoch < epochs), epochs):
        early = scores(lambda result, epoch=epoch: result["history"][epoch - 1])
        plain, chosen = gains(early, test, BEST, confirmations)
        error = jackknife_error(early, test, BEST, confirmations)
        difference = f"{chosen - plain:+.1f} ± {error:.1f}"
        lines.append(f"{f'after epoch {epoch}':<18}{plain:>+18.1f}{chosen:>+12.1f}{difference:>16}")
    lines.append(
        f"mean of the five metrics on test videos, above the mean of {len(names)} structures; the {BEST} best by one "
        f"seed, {confirmations} others confirm; ± standard error over structures (jackknife)"
    )
    return "\n".join(lines)


def main() -> None:
    """Replay searches with and without a confirmation; started again after a kill, the trainings resume."""
    parser = command_parser("studies.ranking.confirming", main.__doc__, "--dataset gtea --split 1 --output ranking")
    Study.add_arguments(parser)
    study = Study.from_arguments(parser.parse_args())
    print(report(study.run(), study.seeds))


if __name__ == "__main__":
    run_command(main)
