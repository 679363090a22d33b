"""Could a surrogate model screen structures before they are trained?

On the short trainings of a comparison of searches (``studies.search_quality``): ridge regression on one half of the
structures of a data set, split and seed predicts the objectives of the other half. Kendall's tau compares predictions
and objectives: 0 is a guess, 1 the same order.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import numpy.typing as npt

from analysis.rank_correlation import kendall_tau
from common.bad_input import BadInput, run_command
from common.command_parser import command_parser
from nas_space.receptive_field import ReceptiveField
from nas_space.structure import Structure
from studies.search_quality.evaluator import read_short_trainings
from studies.search_quality.final_results import read_network

PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0)
HALVINGS = 20
"""Random halvings into seen and unseen structures."""
FEWEST = 10
"""Fewest structures for a regression."""

Numbers = npt.NDArray[np.float64]


def features_of(structure: Structure) -> list[float]:
    """Logarithms of each block's receptive field and of all dilations, and each block's mean and largest logarithm."""
    blocks = [np.log2(block) for block in structure.by_block()]
    fields = [np.log2(seen.frames) for seen in ReceptiveField.of(structure).blocks]
    return [*fields, *(block.mean() for block in blocks), *(block.max() for block in blocks), *np.concatenate(blocks)]


def ridge(features: Numbers, objectives: Numbers, penalty: float) -> tuple[Numbers, float]:
    """Ridge regression on features of zero mean, with an intercept that is not penalised.

    Returns:
        The weights ``(features,)``, and the mean squared error of each prediction from all others (the closed form of
        leave-one-out: residual / (1 - leverage)).
    """
    count = len(objectives)
    inverse = np.linalg.inv(features @ features.T + penalty * np.eye(count))
    dual = inverse @ (objectives - objectives.mean())
    leverage = 1 - penalty * np.diag(inverse) + 1 / count
    errors = penalty * dual / (1 - leverage)
    return features.T @ dual, float((errors**2).mean())


def agreement_of_halves(features: Numbers, objectives: Numbers) -> float:
    """Kendall's tau of predicted and true objectives of a half that the regression has not seen; mean over halvings.

    Leave-one-out predictions would be biased: the mean of all others is lower, the higher the one left out, so pure
    noise would give a tau far below 0.

    Args:
        features: (structures, features).
        objectives: (structures,).
    """
    random, taus = np.random.default_rng(0), []
    for _ in range(HALVINGS):
        seen, unseen = np.array_split(random.permutation(len(objectives)), 2)
        centre, scale = features[seen].mean(axis=0), np.maximum(features[seen].std(axis=0), 1e-9)
        fitted = [ridge((features[seen] - centre) / scale, objectives[seen], penalty) for penalty in PENALTIES]
        weights, _ = min(fitted, key=lambda pair: pair[1])
        taus.append(kendall_tau((features[unseen] - centre) / scale @ weights, objectives[unseen]))
    return mean(taus)


def report(output: Path) -> str:
    """The table of a comparison's folder. Raises BadInput where it has too few short trainings."""
    # By data set and split; of each seed its structures and its tau. The seeds of a split share all their videos.
    found: dict[str, dict[str, list[tuple[int, float]]]] = defaultdict(lambda: defaultdict(list))
    network = read_network(output)
    for path in sorted((output / "judgements").glob("*/*.jsonl")):
        by_seed: dict[int, dict[Structure, float]] = defaultdict(dict)
        for seed, structure, training in read_short_trainings(path, network):
            by_seed[seed][structure] = training.objective
        for objective_of in by_seed.values():
            if len(objective_of) >= FEWEST:
                features = np.array([features_of(structure) for structure in objective_of])
                objectives = np.array([*objective_of.values()])
                found[path.parent.name][path.stem].append(
                    (len(objective_of), agreement_of_halves(features, objectives))
                )
    if not found:
        raise BadInput(f"{output}: no split has {FEWEST} structures that were evaluated with one seed")
    lines = [f"{'':<24}{'studies':>12}{'structures':>12}{'tau':>16}"]
    for name, splits in found.items():
        rows = [row for seeds in splits.values() for row in seeds]
        taus = [mean(tau for _, tau in seeds) for seeds in splits.values()]
        error = f" ± {stdev(taus) / len(taus) ** 0.5:.2f}" if len(taus) > 1 else ""
        lines.append(f"{name:<24}{len(rows):>12}{sum(count for count, _ in rows):>12}{f'{mean(taus):.2f}{error}':>16}")
    lines.append(
        "tau: Kendall's, of predicted and true objectives of unseen structures; mean, and standard error over splits"
    )
    return "\n".join(lines)


def main() -> None:
    """Measure how well ridge regression predicts the short trainings of a comparison of searches."""
    parser = command_parser("studies.ranking.surrogate", main.__doc__, "--output runs/search_quality")
    parser.add_argument("--output", type=Path, required=True, help="folder of a comparison of searches")
    print(report(parser.parse_args().output))


if __name__ == "__main__":
    run_command(main)
