"""How the search algorithms, and a tuner, bear many evaluations without NNI: time and memory as they add up."""

from __future__ import annotations

import argparse
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
STEPS = 10
NETWORK = find_network(DEFAULT)

Decide = Callable[[], object]
"""One evaluation: what to try is decided, and its outcome is learnt."""


@dataclass(frozen=True)
class Step:
    """A tenth of the evaluations."""

    evaluations: int
    """Done at its end."""
    processor: float
    """Seconds of the processor for each of its evaluations."""
    wall: float
    """Seconds for each of its evaluations."""
    memory: int
    """Bytes: resident memory at its end."""


def genetic(evaluations: int) -> Decide:
    """The global search over the space of the paper."""
    search = GeneticSearch(dict.fromkeys(NETWORK.paths, POWERS_OF_TWO), budget=evaluations)

    def decide() -> None:
        proposal = search.ask()
        assert proposal is not None
        search.tell(proposal.uid, TrialReport(metrics={"default": sum(proposal.dilations.values())}))

    return decide


def expectation(evaluations: int) -> Decide:
    """The local search, in chains whose branches come out alike, so that their structure stays."""
    hand, branching = Structure.hand(NETWORK), Branching()
    search = ExpectationSearch([(hand, {"seed": seed}) for seed in range(CHAINS)], branching, evaluations // CHAINS)
    counts = {label: len(branching.expand(dilation)) for label, dilation in hand.by_label().items()}
    alike = {label: [1 / count] * count for label, count in counts.items()}

    def decide() -> None:
        proposal = search.ask()
        assert proposal is not None
        search.tell(proposal.uid, TrialReport(probabilities=alike))

    return decide


def tuner(evaluations: int) -> Decide:
    """The global search as a tuner for whose one worker NNI is played; its files are written as always."""
    # One more: at the end of a search, a tuner asks NNI's manager to end the experiment.
    tuner = GlobalTuner(budget=evaluations + 1)
    tuner.update_search_space(to_nni(global_space(NETWORK)))
    numbers = itertools.count()

    def decide() -> None:
        number = next(numbers)
        [parameters] = tuner.generate_multiple_parameters([number], st_callback=lambda *_: None)
        tuner.receive_trial_result(number, parameters, outcome(parameters, str(number)).to_nni())
        tuner.trial_end(number, True)

    return decide


def measure(decide: Decide, evaluations: int) -> list[Step]:
    """Make so many decisions."""
    steps = []
    size = evaluations // STEPS
    for step in range(STEPS):
        processor, wall = time.process_time(), time.perf_counter()
        for _ in range(size):
            decide()
        processor, wall = (time.process_time() - processor) / size, (time.perf_counter() - wall) / size
        steps.append(Step((step + 1) * size, processor, wall, psutil.Process().memory_info().rss))
    return steps


def table(steps: Sequence[Step]) -> str:
    """A line for each step."""
    lines = [f"{'evaluations':>11}{'processor':>12}{'wall':>12}{'a second':>11}{'memory':>11}"]
    for step in steps:
        times = f"{1e3 * step.processor:>9.3f} ms{1e3 * step.wall:>9.3f} ms{1 / step.processor:>11.0f}"
        lines.append(f"{step.evaluations:>11}{times}{step.memory / 2**20:>8.1f} MB")
    return "\n".join(lines)


def main() -> None:
    """Let a search make many decisions, and print what each tenth of them took (a second: of the processor)."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.simulated_load",
        description=main.__doc__,
        epilog="example: python -m benchmarks.simulated_load tuner --evaluations 2000",
    )
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
