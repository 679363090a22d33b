"""The NNI tuners: each search algorithm over the space that an experiment declares."""

from __future__ import annotations

from itertools import product
from typing import Any

from common.bad_input import BadInput
from nas_space.branching import Branching
from nas_space.budget import Budget
from nas_space.networks import DEFAULT
from nas_space.space import from_nni
from nas_space.structure_files import read_structure
from nas_space.structure_names import structure_file
from strategies.adapter.search_tuner import SearchTuner
from strategies.differentiable import DifferentiableSearch, seeds_of
from strategies.expectation import ExpectationSearch
from strategies.final import FinalPhase
from strategies.genetic import POPULATION_SIZE, GeneticSearch, repair_within
from strategies.starts import check_list, cut_off, from_root, read_starts, starts_within


class GlobalTuner(SearchTuner):
    """The global genetic search as an NNI tuner. The arguments are the ``classArgs`` of an experiment's YAML file.

    Args:
        population_size, budget, mutation_rate, seed: of the search, see ``GeneticSearch``.
        starts: structure files, from the repository root, or ``hand``: the population begins with them. Where the
            search space ends earlier than ``hand``, that one takes the largest candidates.
        max_context, max_multiply_adds: limits, see ``Budget.parse``: starts are cut off, children are shortened.
        network: whose layers the search space names, as in ``ms-tcn:stages=2,layers=5``.
        check_command, retries, earlier: see ``SearchTuner``.
    """

    phase = "global"
    earlier_arguments = SearchTuner.earlier_arguments | {"stop_epoch"}

    def __init__(
        self,
        population_size: int = POPULATION_SIZE,
        budget: int = 5000,
        mutation_rate: float = 0.2,
        seed: int = 0,
        starts: list[str] | None = None,
        max_context: int | str | None = None,
        max_multiply_adds: int | str | None = None,
        network: str = DEFAULT,
        check_command: str | None = None,
        retries: int = 1,
        **earlier: int,
    ) -> None:
        super().__init__(network, earlier, check_command, retries)
        self._arguments = (population_size, budget, mutation_rate, seed)
        self._starts = starts
        self._limits = max_context, max_multiply_adds

    def create_search(self, search_space: Any) -> GeneticSearch:
        """The genetic search over the candidates that the search space names."""
        network, budget = self.network, Budget.parse(*self._limits, self.network)
        space = from_nni(search_space, network)
        budget.check(space, network)
        starts = [] if self._starts is None else starts_within(self._starts, space, network, budget)
        return GeneticSearch(space, *self._arguments, starts, repair_within(budget, space, network))


class LocalTuner(SearchTuner):
    """The expectation-guided local search as an NNI tuner: one chain for each start structure, split and seed.

    Args:
        starts: structure files, from the repository root, or ``hand``.
        splits, seeds: of the chains.
        iterations: of a chain, see ``ExpectationSearch``.
        branches, expand_rate, min_dilation, max_dilation: see ``Branching``.
        max_context, max_multiply_adds: limits, see ``Budget.parse``: starts are cut off, branches stay within.
        network: as in ``ms-tcn:stages=2,layers=5``.
        check_command, retries, earlier: see ``SearchTuner``.
    """

    phase = "local"
    # An iteration that failed is repeated from the checkpoint of the one before, whatever it says.
    repeats_stated_failures = True

    def __init__(
        self,
        starts: list[str],
        splits: list[int],
        seeds: list[int],
        iterations: int = 10,
        branches: int = Branching.count,
        expand_rate: float = Branching.rate,
        min_dilation: int = Branching.minimum,
        max_dilation: int = Branching.maximum,
        max_context: int | str | None = None,
        max_multiply_adds: int | str | None = None,
        network: str = DEFAULT,
        check_command: str | None = None,
        retries: int = 1,
        **earlier: int,
    ) -> None:
        super().__init__(network, earlier, check_command, retries)
        self._chains = (starts, splits, seeds)
        self._iterations = iterations
        self._branching = (branches, expand_rate, min_dilation, max_dilation)
        self._limits = max_context, max_multiply_adds

    def create_search(self, search_space: Any) -> ExpectationSearch:
        """The chains. The search space is only for NNI's web page: it must name the layers of the network."""
        network = self.network
        if not isinstance(search_space, dict) or set(search_space) != set(network.paths):
            raise BadInput("the search space must name the layers of the network (experiments/spaces/*_local.json)")
        names, splits, seeds = self._chains
        branching = Branching(*self._branching, Budget.parse(*self._limits, self.network))
        structures = [cut_off(name, start, branching) for name, start in read_starts(names, network)]
        _check_splits_and_seeds(splits, seeds)
        starts = [(start, {"split": split, "seed": seed}) for start, split, seed in product(structures, splits, seeds)]
        return ExpectationSearch(starts, branching, self._iterations)


class DifferentiableTuner(SearchTuner):
    """The differentiable global search over the space that an experiment declares: one training for each seed.

    Args:
        seeds: of the trainings; None where the search space names them and nothing else, as in earlier versions.
        max_context, max_multiply_adds: limits, see ``Budget.parse``.
        network: as in ``ms-tcn:stages=2,layers=5``.
        check_command, retries, earlier: see ``SearchTuner``.
    """

    phase = "global"

    def __init__(
        self,
        seeds: list[int] | None = None,
        max_context: int | str | None = None,
        max_multiply_adds: int | str | None = None,
        network: str = DEFAULT,
        check_command: str | None = None,
        retries: int = 1,
        **earlier: int,
    ) -> None:
        super().__init__(network, earlier, check_command, retries)
        self._seeds = seeds
        self._limits = max_context, max_multiply_adds

    def create_search(self, search_space: Any) -> DifferentiableSearch:
        """A training for each seed, in which every layer chooses among the candidates that the search space names."""
        network, budget = self.network, Budget.parse(*self._limits, self.network)
        if self._seeds is not None:
            space = from_nni(search_space, network)
            budget.check(space, network)
            return DifferentiableSearch(self._seeds, network.paths, space, budget)
        seeds = seeds_of(search_space)
        if seeds is None:
            raise BadInput("DifferentiableTuner needs the argument seeds, as in seeds: [0, 1, 2]")
        return DifferentiableSearch(seeds, network.paths, budget=budget)


class FinalTuner(SearchTuner):
    """The final training as an NNI tuner: a training for each structure, split and seed.

    Args:
        structures: structure files, from the repository root, or ``hand``; ``{split}`` stands for the split's number.
        splits, seeds: of the trainings.
        network: as in ``ms-tcn:stages=2,layers=5``.
        check_command, retries, earlier: see ``SearchTuner``.
    """

    phase = "final"

    def __init__(
        self,
        structures: list[str],
        splits: list[int],
        seeds: list[int],
        network: str = DEFAULT,
        check_command: str | None = None,
        retries: int = 1,
        **earlier: int,
    ) -> None:
        super().__init__(network, earlier, check_command, retries)
        self._trainings = (structures, splits, seeds)

    def create_search(self, search_space: Any) -> FinalPhase:
        """The trainings. The search space is only for NNI's web page: it must show what the trainings are."""
        names, splits, seeds = self._trainings
        check_list("structures", names, "file names", lambda value: isinstance(value, str))
        _check_splits_and_seeds(splits, seeds)
        for name, values in (("structures", names), ("splits", splits), ("seeds", seeds)):
            if len(set(values)) != len(values):
                raise BadInput(f"{name} must be different, not {values!r}")
        shown = {"structure": names, "split": splits, "seed": seeds}
        if search_space != {name: {"_type": "choice", "_value": values} for name, values in shown.items()}:
            raise BadInput(
                "the search space must show the structures, splits and seeds of classArgs "
                "(as in experiments/demo_final.yml, where each list is written once)"
            )
        network = self.network
        files = {(name, split): structure_file(name, split) for split, name in product(splits, names)}
        return FinalPhase({place: read_structure(from_root(file), network) for place, file in files.items()}, seeds)


def _check_splits_and_seeds(splits: Any, seeds: Any) -> None:
    check_list("splits", splits, "numbers of splits", lambda value: type(value) is int and value >= 1)
    check_list("seeds", seeds, "whole numbers of at least 0", lambda value: type(value) is int and value >= 0)
