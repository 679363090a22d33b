"""The searches that are compared, each a generator that yields structures and is sent their objectives.

NNI's RegularizedEvolution (``nni.nas.strategy``) is not among them: it needs PyTorch Lightning and runs its own
experiment.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from itertools import count
from typing import Any

import numpy as np
from nni.algorithms.hpo.evolution_tuner import EvolutionTuner
from nni.algorithms.hpo.tpe_tuner import TpeTuner

from nas_space.network import POWERS_OF_TWO, Network
from nas_space.space import global_space, to_nni
from nas_space.structure import Structure
from nni_api.trial_report import TrialReport
from strategies.genetic import GeneticSearch

Searcher = Generator[Structure, float, None]
"""Yields a structure, and is sent its objective, which is to be maximised. It may end, or go on endlessly."""


def random_search(evaluations: int, seed: int, network: Network) -> Searcher:
    """Structures sampled uniformly without replacement: a genetic search whose first population is the whole budget."""
    yield from _genetic(evaluations, evaluations, seed, network)


def genetic_search(evaluations: int, seed: int, network: Network, start: Structure | None = None) -> Searcher:
    """Our global search: the start, if any, then the first structures of the random search of the same seed."""
    yield from _genetic(evaluations, first_population(evaluations), seed, network, start)


def tpe(evaluations: int, seed: int, network: Network) -> Searcher:
    """NNI's TPE. Its default of 20 random structures would use up most of a small budget: it samples as many as ours.

    Where it would repeat a structure, NNI takes the next one of a grid instead.
    """
    startup = {"n_startup_jobs": first_population(evaluations)}
    tuner = TpeTuner(optimize_mode="maximize", seed=seed, tpe_args=startup)
    tuner.update_search_space(to_nni(global_space(network)))
    yield from _nni(tuner, network, tuner.generate_parameters)


def evolution(evaluations: int, seed: int, network: Network) -> Searcher:
    """NNI's Evolution, with a population as large as ours. It may propose a structure twice."""
    tuner = EvolutionTuner(optimize_mode="maximize", population_size=first_population(evaluations))
    tuner.update_search_space(to_nni(global_space(network)))
    # It takes no seed: it samples from its own generator, which has already sampled its population, and from Python's.
    tuner.random_state = np.random.RandomState(seed)
    tuner.population.clear()
    for _ in range(tuner.population_size):
        tuner._random_generate_individual()
    own = random.Random(seed).getstate()

    def generate(number: int) -> dict[str, Any]:
        nonlocal own
        others = random.getstate()
        random.setstate(own)
        try:
            return tuner.generate_parameters(number)
        finally:
            own = random.getstate()
            random.setstate(others)

    yield from _nni(tuner, network, generate)


SEARCHERS: dict[str, Callable[[int, int, Network], Searcher]] = {
    "random": random_search,
    "genetic": genetic_search,
    "tpe": tpe,
    "evolution": evolution,
}
"""By name; the arguments are the number of evaluations, the seed, and the network.

The same seed and the same objectives give the same structures.
"""


def first_population(evaluations: int) -> int:
    """How many structures a search samples at random before it learns: a third, as in our YAML files of small data."""
    return max(evaluations // 3, 2)


def _genetic(
    evaluations: int, population_size: int, seed: int, network: Network, start: Structure | None = None
) -> Searcher:
    starts = [] if start is None else [start.by_label()]
    space = dict.fromkeys(network.paths, POWERS_OF_TWO)
    search = GeneticSearch(space, population_size, evaluations, seed=seed, starts=starts)
    while (proposal := search.ask()) is not None:
        score = yield Structure.from_labels(proposal.dilations, network)
        search.tell(proposal.uid, TrialReport(metrics={"default": score}))


def _nni(tuner: Any, network: Network, generate: Callable[[int], dict[str, Any]]) -> Searcher:
    for number in count():
        parameters = generate(number)
        tuner.receive_trial_result(number, parameters, (yield Structure.from_labels(parameters, network)))
