"""The global search: a genetic algorithm over the dilation of every layer (Gao et al., CVPR 2021, section 3.2).

Steady state: a free worker immediately gets a child of the current best; there is no barrier between generations, they
are only counted. No structure is ever proposed twice.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from common.bad_input import BadInput
from nas_space.budget import NO_LIMITS, Budget, Moves
from nas_space.network import Network
from nas_space.structure import Structure
from nni_api.trial_report import TrialReport
from strategies.genes import Genes, crossover, mutate, roulette, sample_genes
from strategies.proposals import Ledger, Proposal

POPULATION_SIZE = 50
"""Of the paper (Gao et al., CVPR 2021)."""

ATTEMPTS = 1000
"""After so many repeated structures in a row, a search within a limit takes its space for exhausted."""

Repair = Callable[[dict[str, int], np.random.Generator], Mapping[str, int]]


def repair_within(budget: Budget, candidates: Mapping[str, Sequence[int]], network: Network) -> Repair | None:
    """Shorten layers at random, each to its next smaller candidate, or leave them out, until the budget is kept.

    None where the budget has no limit.
    """
    if budget == NO_LIMITS:
        return None

    def repair(dilations: dict[str, int], random: np.random.Generator) -> dict[str, int]:
        def choose(moves: Moves, _: Mapping[str, int]) -> tuple[str, int]:
            label = list(moves)[int(random.integers(len(moves)))]
            return label, max(moves[label])

        return budget.shorten(Structure.from_labels(dilations, network), candidates, choose).by_label()

    return repair


class GeneticSearch:
    """Genetic search in steady state; see ``strategies.search.Search`` for the protocol.

    Args:
        candidates: dilations to choose from, by layer label.
        population_size: how many of the best evaluated structures may be parents; as many are sampled at random first.
        budget: how many structures to propose in all, failed ones included.
        mutation_rate: probability with which each gene of a child is resampled.
        seed: the same seed and the same answers give the same proposals.
        starts: dilations by layer label that are proposed before any random ones; no more than ``population_size``.
        repair: makes dilations by layer label keep a limit, with random numbers of the generator that it is given;
            what keeps the limit stays as it is. By default there is no limit.

    Raises:
        BadInput: an argument is out of its range.
    """

    def __init__(
        self,
        candidates: Mapping[str, Sequence[int]],
        population_size: int = POPULATION_SIZE,
        budget: int = 5000,
        mutation_rate: float = 0.2,
        seed: int = 0,
        starts: Sequence[Mapping[str, int]] = (),
        repair: Repair | None = None,
    ) -> None:
        for name, value in (("population_size", population_size), ("budget", budget)):
            if type(value) is not int or value < 1:
                raise BadInput(f"{name} must be a whole number of at least 1, not {value!r}")
        if population_size < 2:
            raise BadInput(f"population_size must be at least 2, as a child has two parents, not {population_size}")
        if isinstance(mutation_rate, bool) or not isinstance(mutation_rate, int | float) or not 0 <= mutation_rate <= 1:
            raise BadInput(f"mutation_rate must lie between 0 and 1, not {mutation_rate!r}")
        if type(seed) is not int or seed < 0:
            raise BadInput(f"seed must be a whole number of at least 0, not {seed!r}")
        self.labels = list(candidates)
        self.candidates = [tuple(candidates[label]) for label in self.labels]
        if len(starts) > min(population_size, budget):
            raise BadInput(f"{len(starts)} starts are more than the first population holds: raise population_size")
        self._repair = repair
        self._starts = [self._within(start) for start in starts]
        self.population_size = population_size
        self.budget = min(budget, math.prod(len(values) for values in self.candidates))
        self.mutation_rate = mutation_rate
        self._random = np.random.default_rng(seed)
        self._exhausted = False
        # As text: a tuner writes all of the state at every event, and 40 numbers take twenty times as long.
        self._genes: list[str] = []
        self._parents: list[tuple[int, ...]] = []
        self._fitness: dict[int, float] = {}
        self._foreign: set[int] = set()
        self.ledger = Ledger()
        self._seen: set[str] = set()
        self._population: list[tuple[float, int]] = []

    def ask(self) -> Proposal | None:
        """The next structure: random ones until a population has been proposed, children of the best from then on."""
        if self._proposed == self.budget or self._all_proposed:
            return None
        parents: tuple[int, ...] = ()
        if self._proposed >= self.population_size and len(self._population) >= 2:
            genes, parents = self._child()
        elif self._proposed < len(self._starts):
            genes = self._starts[self._proposed]
        else:
            genes = self._sample()
        attempts = 0
        while _to_text(genes) in self._seen:
            attempts += 1
            if self._repair is not None and attempts == ATTEMPTS:
                self._exhausted = True
                return None
            parents = ()
            genes = self._sample()
        return self.proposal(self._add(genes, parents))

    def _sample(self) -> Genes:
        return self._repaired(sample_genes(self.candidates, self._random))

    def _repaired(self, genes: Genes) -> Genes:
        if self._repair is None:
            return genes
        repaired = self._repair(dict(zip(self.labels, genes, strict=True)), self._random)
        return tuple(repaired[label] for label in self.labels)

    @property
    def _all_proposed(self) -> bool:
        """Whether there is no other structure; where a limit leaves few of them, that shows in vain attempts."""
        return self._exhausted or len(self._seen) == math.prod(map(len, self.candidates))

    def _within(self, start: Mapping[str, int]) -> Genes:
        """The genes of a start. Raises BadInput where the space does not hold it."""
        if start.keys() != set(self.labels):
            raise BadInput("a start has other layers than the search space")
        for label, values in zip(self.labels, self.candidates, strict=True):
            if start[label] not in values:
                raise BadInput(f"a start has the dilation {start[label]} at {label}, which is no candidate there")
        return tuple(start[label] for label in self.labels)

    def proposal(self, uid: int) -> Proposal:
        """A proposal that was handed out before. Raises ValueError where there is none of that number."""
        self.ledger.check(uid)
        genes = _from_text(self._genes[uid])
        foreign = sum(other < uid for other in self._foreign)
        generation = (uid - foreign) // self.population_size
        about = {"generation": generation, "parents": list(self._parents[uid])}
        return Proposal(uid, dict(zip(self.labels, genes, strict=True)), about)

    def tell(self, uid: int, report: TrialReport) -> bool:
        """The fitness of a proposal, its metric ``default``: it may be a parent from now on.

        Returns:
            False for a second fitness, which is ignored.

        Raises:
            ValueError: the fitness is not finite, or there is no such proposal.
        """
        fitness = report.metrics["default"]
        if not math.isfinite(fitness):
            raise ValueError(f"the fitness of proposal {uid} is {fitness}")
        new = self.ledger.evaluate(uid)
        if new:
            self._enter(uid, fitness)
        return new

    def add_trial(self, report: TrialReport) -> None:
        """Let a structure that somebody else chose and evaluated be a parent, if it lies in the space and is new."""
        dilations, fitness = report.structure or {}, report.metrics["default"]
        if set(dilations) != set(self.labels) or not math.isfinite(fitness):
            return
        genes = tuple(dilations[label] for label in self.labels)
        within = all(gene in values for gene, values in zip(genes, self.candidates, strict=True))
        if not within:
            return
        genes = tuple(map(int, genes))  # a trial command of the user's own may say 4.0
        if _to_text(genes) not in self._seen and self._repaired(genes) == genes:
            uid = self._add(genes, ())
            self._foreign.add(uid)
            self.ledger.evaluate(uid)
            self._enter(uid, fitness)

    def pop_events(self) -> list[dict[str, Any]]:
        """Nothing: all there is to record are proposals and results."""
        return []

    @property
    def finished(self) -> bool:
        """Whether the budget is spent and every proposal was evaluated or failed."""
        return (self._proposed == self.budget or self._all_proposed) and not self.ledger.open

    def state_dict(self) -> dict[str, Any]:
        """All of the state, random generator included, as JSON content."""
        return {
            "labels": self.labels,
            "candidates": [list(values) for values in self.candidates],
            "random": self._random.bit_generator.state,
            "genes": list(self._genes),
            "parents": list(self._parents),
            "fitness": list(self._fitness.items()),
            "failed": sorted(self.ledger.failed),
            "foreign": sorted(self._foreign),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state, as if never interrupted.

        Raises:
            BadInput: the state is of a search over another space.
            KeyError, TypeError, ValueError, ...: it is damaged.
        """
        if state["labels"] != self.labels or [tuple(values) for values in state["candidates"]] != self.candidates:
            raise BadInput("the saved search is over another search space: start a new experiment")
        self._random.bit_generator.state = state["random"]
        self._genes = list(state["genes"])
        self._parents = [tuple(parents) for parents in state["parents"]]
        fitness, self._foreign = dict(state["fitness"]), set(state["foreign"])
        self.ledger = Ledger.restore(len(self._genes), fitness, state["failed"])
        complete = self._foreign <= fitness.keys() and len(self._parents) == len(self._genes)
        if not complete or not all(map(math.isfinite, fitness.values())):
            raise ValueError("proposals are missing")
        genes = list(map(_from_text, self._genes))
        if not all(g in values for each in genes for g, values in zip(each, self.candidates, strict=True)):
            raise ValueError("a dilation is none of the candidates")
        self._seen = set(self._genes)
        self._fitness, self._population = {}, []
        for uid, value in fitness.items():
            self._enter(uid, value)

    @property
    def _proposed(self) -> int:
        return len(self._genes) - len(self._foreign)

    def _child(self) -> tuple[Genes, tuple[int, int]]:
        """A child of two different parents; mutated until it is new, within reason."""
        uids = [uid for _, uid in self._population]
        fitness = [-negative for negative, _ in self._population]
        first = roulette(fitness, self._random)
        mother, father = uids.pop(first), uids[roulette(fitness[:first] + fitness[first + 1 :], self._random)]
        child = genes = crossover(_from_text(self._genes[mother]), _from_text(self._genes[father]), self._random)
        for _ in range(100):
            child = self._repaired(mutate(genes, self.candidates, self.mutation_rate, self._random))
            if _to_text(child) not in self._seen:
                break
        return child, (mother, father)

    def _add(self, genes: Genes, parents: tuple[int, ...]) -> int:
        text = _to_text(genes)
        self._genes.append(text)
        self._parents.append(parents)
        self._seen.add(text)
        return self.ledger.add()

    def _enter(self, uid: int, fitness: float) -> None:
        """Survivor selection: the population is the best evaluated structures; of equals, the elder."""
        self._fitness[uid] = fitness
        insort(self._population, (-fitness, uid))
        del self._population[self.population_size :]


def _to_text(genes: Genes) -> str:
    return " ".join(map(str, genes))


def _from_text(text: str) -> Genes:
    return tuple(map(int, text.split()))
