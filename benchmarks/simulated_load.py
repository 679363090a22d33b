"""Time and memory of the search algorithms, and of a tuner, over many evaluations without NNI."""

from __future__ import annotations

import itertools
import os
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.do_nothing_trial import outcome
from common.bad_input import BadInput, run_command
from common.command_parser import command_parser
from nas_space.branching import Branching
from nas_space.network import POWERS_OF_TWO
from nas_space.networks import DEFAULT, find_network
from nas_space.space import global_space, to_nni
from nas_space.structure import Structure
from nni_api.trial_report import TrialReport
from strategies.expectation import ExpectationSearch
from strategies.genetic import GeneticSearch
from strategies.tuners import GlobalTuner

CHAINS = 100
INTERVALS = 10
NETWORK = find_network(DEFAULT)

Decide = Callable[[], object]
"""One evaluation: propose a structure, and process its result."""


@dataclass(frozen=True)
class Interval:
    """A tenth of the evaluations."""

    evaluations: int
    """Done at its end."""
    processor: float
    """CPU seconds per evaluation."""
    wall: float
    """Wall-clock seconds per evaluation."""
    memory: int
    """Resident memory at its end, in bytes."""


def genetic(evaluations: int) -> Decide:
    """The global search over the paper's space."""
    search = GeneticSearch(dict.fromkeys(NETWORK.paths, POWERS_OF_TWO), budget=evaluations)

    def decide() -> None:
        proposal = search.ask()
        assert proposal is not None
        search.tell(proposal.uid, TrialReport(metrics={"default": sum(proposal.dilations.values())}))

    return decide


def expectation(evaluations: int) -> Decide:
    """The local search, in chains with equal branch probabilities, so that their structure stays."""
    hand, branching = Structure.hand(NETWORK), Branching()
    search = ExpectationSearch([(hand, {"seed": seed}) for seed in range(CHAINS)], branching, evaluations // CHAINS)
    counts = {label: len(branching.expand(dilation)) for label, dilation in hand.by_label().items()}
    equal = {label: [1 / count] * count for label, count in counts.items()}

    def decide() -> None:
        proposal = search.ask()
        assert proposal is not None
        search.tell(proposal.uid, TrialReport(probabilities=equal))

    return decide


def tuner(evaluations: int) -> Decide:
    """The global search as a tuner with one simulated worker; its files are written as usual."""
    # One more, since a tuner asks NNI's manager to end the experiment at the end of a search.
    tuner = GlobalTuner(budget=evaluations + 1)
    tuner.update_search_space(to_nni(global_space(NETWORK)))
    numbers = itertools.count()

    def decide() -> None:
        number = next(numbers)
        [parameters] = tuner.generate_multiple_parameters([number], st_callback=lambda *_: None)
        tuner.receive_trial_result(number, parameters, outcome(parameters, str(number), NETWORK.paths).to_nni())
        tuner.trial_end(number, True)

    return decide


def measure(decide: Decide, evaluations: int) -> list[Interval]:
    """Run the evaluations."""
    intervals = []
    size = evaluations // INTERVALS
    for number in range(1, INTERVALS + 1):
        processor, wall = time.process_time(), time.perf_counter()
        for _ in range(size):
            decide()
        processor, wall = (time.process_time() - processor) / size, (time.perf_counter() - wall) / size
        intervals.append(Interval(number * size, processor, wall, psutil.Process().memory_info().rss))
    return intervals


def table(intervals: Sequence[Interval]) -> str:
    """One line per interval."""
    lines = [f"{'evaluations':>11}{'processor':>12}{'wall':>12}{'per second':>11}{'memory':>11}"]
    for each in intervals:
        times = f"{1e3 * each.processor:>9.3f} ms{1e3 * each.wall:>9.3f} ms{1 / each.processor:>11.0f}"
        lines.append(f"{each.evaluations:>11}{times}{each.memory / 2**20:>8.1f} MB")
    return "\n".join(lines)


def main() -> None:
    """Run many evaluations of a search, and print the cost of each tenth (per second: of CPU time)."""
    parser = command_parser("benchmarks.simulated_load", main.__doc__, "tuner --evaluations 2000")
    searches = {search.__name__: search for search in (genetic, expectation, tuner)}
    parser.add_argument("search", choices=list(searches), help="an algorithm alone, or the global search as a tuner")
    parser.add_argument("--evaluations", type=int, default=100_000, metavar="N", help="(default: %(default)s)")
    arguments = parser.parse_args()
    if arguments.evaluations < CHAINS or arguments.evaluations % CHAINS:
        raise BadInput(f"--evaluations must be a multiple of {CHAINS}")
    with tempfile.TemporaryDirectory(prefix="simulated-load-") as folder:
        os.environ["NNI_CHECKPOINT_DIRECTORY"] = folder
        os.environ["NNI_TUNER_COMMAND_CHANNEL"] = "ws://localhost:1/tuner"
        print(table(measure(searches[arguments.search](arguments.evaluations), arguments.evaluations)))
        print("\n".join(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB" for path in sorted(Path(folder).iterdir())))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"peak of memory: {peak / 2**10:.1f} MB")


if __name__ == "__main__":
    run_command(main)
