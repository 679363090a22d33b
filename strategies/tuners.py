"""The NNI tuners: each search algorithm over the space that an experiment declares."""

from __future__ import annotations

from typing import Any

from nas_space.shape import MSTCNShape
from nas_space.space import from_nni
from strategies.genetic import GeneticSearch
from strategies.search_tuner import SearchTuner


class GlobalTuner(SearchTuner):
    """The global genetic search as an NNI tuner. The arguments are the ``classArgs`` of an experiment's YAML file.

    Args:
        population_size, budget, mutation_rate, seed: of the search, see ``GeneticSearch``.
        num_stages, num_layers: the network whose layers the search space names.
        check_command, retries: see ``SearchTuner``.
    """

    def __init__(
        self,
        population_size: int = 50,
        budget: int = 5000,
        mutation_rate: float = 0.2,
        seed: int = 0,
        num_stages: int = MSTCNShape.num_stages,
        num_layers: int = MSTCNShape.num_layers,
        check_command: str | None = None,
        retries: int = 1,
    ) -> None:
        super().__init__(check_command, retries)
        self._arguments = (population_size, budget, mutation_rate, seed)
        self._size = (num_stages, num_layers)

    def create_search(self, search_space: Any) -> GeneticSearch:
        """The genetic search over the candidates that the search space names."""
        return GeneticSearch(from_nni(search_space, MSTCNShape(*self._size)), *self._arguments)
