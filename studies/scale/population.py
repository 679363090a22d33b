"""What a genetic search loses by proposing before results are in: ``python -m studies.scale.population``.

With n workers, a structure is proposed before the results of the n - 1 proposals before it are known. The objective is
made up: how near the logarithms of the dilations are to those of a hidden structure, plus noise. It shows how far
selection comes, and says nothing about videos.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np

from benchmarks.breakfast_searches import number
from common.atomic_file import write_text
from common.bad_input import BadInput, run_command
from common.command_parser import command_parser
from nas_space.network import POWERS_OF_TWO
from nas_space.networks import DEFAULT, find_network
from nni_api.trial_report import TrialReport
from strategies.genetic import GeneticSearch
from strategies.proposals import Proposal
from trials.table import csv_text

LABELS = tuple(find_network(DEFAULT).paths)
CASES = ((1, 50), (8, 50), (64, 50), (512, 50), (512, 512), (512, 20), (1, 512), (1, 20), (1, 5000))
"""Workers and population; one as large as the budget is a random search."""
NOISE = 5.0
"""Standard deviation of a score, in points of 100."""


@dataclass(frozen=True)
class Found:
    """What a search has come to."""

    score: float
    """Without noise, of the structure whose score with noise is the best."""
    sampled: int
    """Proposals without parents."""
    depth: int
    """The longest line of parents of a proposal."""


def score_of(dilations: Mapping[str, int], hidden: Mapping[str, int]) -> float:
    """100 where they are equal, 0 where each layer is as far off as the space allows."""
    widest = POWERS_OF_TWO[-1].bit_length() - POWERS_OF_TWO[0].bit_length()
    distances = [abs(dilations[label].bit_length() - hidden[label].bit_length()) for label in hidden]
    return 100 * (1 - mean(distances) / widest)


def search(workers: int, population: int, budget: int, seed: int) -> Found:
    """A genetic search whose trials all take equally long, on so many workers."""
    # Not the stream of the search itself, whose first sample would be the hidden structure.
    random = np.random.default_rng((seed, 1))
    hidden = {label: int(random.choice(POWERS_OF_TWO)) for label in LABELS}
    genetic = GeneticSearch(dict.fromkeys(LABELS, POWERS_OF_TWO), population, budget, seed=seed)
    running: deque[Proposal] = deque()
    scores: list[tuple[float, float]] = []
    depths: dict[int, int] = {}
    while True:
        while len(running) < workers and (proposal := genetic.ask()) is not None:
            depths[proposal.uid] = max((1 + depths[parent] for parent in proposal.about["parents"]), default=0)
            running.append(proposal)
        if not running:
            break
        ended = running.popleft()
        score = score_of(ended.dilations, hidden)
        scores.append((score + random.normal(scale=NOISE), score))
        genetic.tell(ended.uid, TrialReport(metrics={"default": scores[-1][0]}))
    return Found(max(scores)[1], list(depths.values()).count(0), max(depths.values()))


def main() -> None:
    """Run genetic searches of a made-up objective on more and more workers, and print how far they come."""
    parser = command_parser("studies.scale.population", main.__doc__, "--seeds 5")
    parser.add_argument(
        "--seeds", type=int, default=5, metavar="N", help="searches of each kind (default: %(default)s)"
    )
    parser.add_argument("--output", type=Path, help="folder for population.csv")
    arguments = parser.parse_args()
    if arguments.seeds < 2:
        raise BadInput("--seeds must be at least 2, for a standard error")
    budget = number("paper", r"\bbudget: (\d+)")
    rows: list[dict[str, Any]] = []
    print(f"{'workers':>8}{'population':>12}{'score':>14}{'sampled':>9}{'depth':>7}")
    for workers, population in CASES:
        found = [search(workers, population, budget, seed) for seed in range(arguments.seeds)]
        scores = [each.score for each in found]
        row = {
            "workers": workers,
            "population": population,
            "score": round(mean(scores), 2),
            "standard_error": round(stdev(scores) / len(scores) ** 0.5, 2),
            "sampled": round(mean(each.sampled for each in found)),
            "depth": round(mean(each.depth for each in found)),
        }
        rows.append(row)
        score = f"{row['score']:.1f} ± {row['standard_error']:.1f}"
        print(f"{workers:>8}{population:>12}{score:>14}{row['sampled']:>9}{row['depth']:>7}", flush=True)
    if arguments.output is not None:
        write_text(arguments.output / "population.csv", csv_text(rows))


if __name__ == "__main__":
    run_command(main)
