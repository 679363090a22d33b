"""A genetic search within a budget."""

from __future__ import annotations

import json
from itertools import product

from hypothesis import given

from nas_space.budget import Budget
from nas_space.networks import find_network
from nas_space.structure import Structure
from strategies.genetic import GeneticSearch, repair_within
from tests.strategies.small_spaces import law, play, scored, seeds, small_fitness

TINY = find_network("ms-tcn:stages=2,layers=2")
TINY_SPACE = dict.fromkeys(TINY.paths, (1, 2, 4, 8, 16))
BUDGET = Budget(network=40, stage=25)


def within_budget(seed: int = 0, budget: int = 30) -> GeneticSearch:
    return GeneticSearch(TINY_SPACE, 5, budget, seed=seed, repair=repair_within(BUDGET, TINY_SPACE, TINY))


@law
@given(seeds)
def test_every_proposal_keeps_the_budget(seed: int) -> None:
    proposals = play(within_budget(seed), small_fitness, 30)
    structures = [Structure.from_labels(proposal.dilations, TINY) for proposal in proposals]
    assert len(set(structures)) == 30
    assert not any(BUDGET.exceeded(TINY, structure.dilations) for structure in structures)


def test_a_search_ends_where_no_other_structure_keeps_the_budget() -> None:
    # The network sees 1 + 2 (sum of dilations) frames: all are 1, but for at most two that are 2.
    allowed = {each for each in product((1, 2, 4, 8, 16), repeat=4) if 1 + 2 * sum(each) <= 13}
    budget = Budget(network=13)
    search = GeneticSearch(TINY_SPACE, 3, 1000, repair=repair_within(budget, TINY_SPACE, TINY))
    proposals = play(search, small_fitness, 1000)
    assert {tuple(proposal.dilations.values()) for proposal in proposals} == allowed
    assert search.finished


def test_an_added_trial_beyond_the_budget_is_no_parent() -> None:
    search = within_budget()
    search.add_trial(scored(9.0, dict.fromkeys(TINY.paths, 16)))
    assert search.ledger.size == 0
    search.add_trial(scored(9.0, dict.fromkeys(TINY.paths, 2)))
    assert search.ledger.size == 1


def test_a_search_within_a_budget_goes_on_as_if_never_interrupted() -> None:
    whole, part = within_budget(), within_budget()
    first = play(part, small_fitness, 12)
    resumed = within_budget(seed=7)
    resumed.load_state_dict(json.loads(json.dumps(part.state_dict())))
    assert first + play(resumed, small_fitness, 30) == play(whole, small_fitness, 30)


def test_without_limits_nothing_is_repaired() -> None:
    assert repair_within(Budget(), TINY_SPACE, TINY) is None
