"""What does successive halving gain, and cost, against training all structures equally long?

Replays the trainings of ``studies.ranking.early_epochs``, with the same options and folder: subsets of its random
structures are sampled repeatedly, and each selection rule sees the validation scores of one seed only. The selected
structure counts with its mean test score over the other seeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from common.bad_input import BadInput, run_command
from common.command_parser import command_parser
from studies.ranking.early_epochs import Scores, Study
from trials.training.metrics import objective_value

SAMPLES = 500


@dataclass(frozen=True)
class Halving:
    """Successive halving (Jamieson and Talwalkar, AISTATS 2016): at each rung the best continue, the others stop."""

    rungs: tuple[int, ...]
    """Total epochs of a training at each rung; with one rung, all are trained equally long, as in a plain search."""
    factor: int
    """One in ``factor`` continues to the next rung."""

    def choose(self, scores: Scores) -> tuple[int, int]:
        """The best structure at the last rung, and the total epochs trained.

        Args:
            scores: (structures, epochs).
        """
        alive, epochs, before = np.arange(len(scores)), 0, 0
        for rung in self.rungs:
            if before:
                alive = alive[: max(len(alive) // self.factor, 1)]
            epochs += len(alive) * (rung - before)
            alive = alive[np.argsort(-scores[alive, rung - 1], kind="stable")]
            before = rung
        return int(alive[0]), epochs


RULES = {
    "5 epochs each": Halving((5,), 1),
    "10 epochs each": Halving((10,), 1),
    "3, 9, 27 epochs, a third goes on": Halving((3, 9, 27), 3),
    "5, 10, 20, 40 epochs, half go on": Halving((5, 10, 20, 40), 2),
    "40 epochs each": Halving((40,), 1),
}


def gains(rule: Halving, validation: npt.NDArray[np.float64], test: Scores, count: int) -> tuple[float, float]:
    """How far the selected structure is above the mean of the sampled ones, on average, and the epochs it took.

    Args:
        validation: (structures, seeds, epochs).
        test: (structures, seeds).
        count: structures per sample.
    """
    random, found = np.random.default_rng(0), []
    structures, seeds = test.shape
    for number in range(SAMPLES):
        sampled, seed = random.choice(structures, size=count, replace=False), number % seeds
        chosen, epochs = rule.choose(validation[sampled, seed])
        others = np.delete(test[sampled], seed, axis=1).mean(axis=1)
        found.append((others[chosen] - others.mean(), epochs))
    gain, epochs = np.mean(found, axis=0)
    return float(gain), float(epochs)


def jackknife_error(rule: Halving, validation: npt.NDArray[np.float64], test: Scores, count: int) -> float:
    """Standard error of the gain over structures: from leaving out one of them at a time (Tukey's jackknife)."""
    structures = len(test)
    left_out = [
        gains(rule, np.delete(validation, index, axis=0), np.delete(test, index, axis=0), count)[0]
        for index in range(structures)
    ]
    return float(np.sqrt((structures - 1) * np.var(left_out)))


def report(results: dict[tuple[str, int], dict[str, Any]], seeds: tuple[int, ...]) -> str:
    """The table, from the metrics.json content of each training by structure's name and seed.

    Raises:
        BadInput: the trainings are shorter than any rule needs.
    """
    names = [name for name in dict.fromkeys(name for name, _ in results) if name != "hand"]
    count = max(2 * len(names) // 3, 1)
    validation = np.array(
        [[[objective_value(row, "mean") for row in results[name, seed]["history"]] for seed in seeds] for name in names]
    )
    test = np.array([[objective_value(results[name, seed]["test"], "mean") for seed in seeds] for name in names])
    rules = {name: rule for name, rule in RULES.items() if rule.rungs[-1] <= validation.shape[2]}
    if not rules:
        raise BadInput(
            f"--epochs must be at least {min(rule.rungs[-1] for rule in RULES.values())}: nothing is shorter"
        )
    lines = [f"{'':<36}{'epochs':>8}{'gain on test':>18}"]
    for name, rule in rules.items():
        gain, epochs = gains(rule, validation, test, count)
        error = jackknife_error(rule, validation, test, count)
        lines.append(f"{name:<36}{epochs:>8.0f}{f'{gain:+.1f} ± {error:.1f}':>18}")
    lines.append(
        f"gain: of the selected one over the mean of {count} structures, sampled {SAMPLES} times from {len(names)}; "
        "selected by one seed's validation score, measured by the mean of the five metrics on the test videos, "
        "of the other seeds; ± standard error over structures (jackknife)"
    )
    return "\n".join(lines)


def main() -> None:
    """Replay rules that select among structures; started again after a kill, the trainings resume."""
    parser = command_parser(
        "studies.ranking.successive_halving", main.__doc__, "--dataset gtea --split 1 --output ranking"
    )
    Study.add_arguments(parser)
    study = Study.from_arguments(parser.parse_args())
    print(report(study.run(), study.seeds))


if __name__ == "__main__":
    run_command(main)
