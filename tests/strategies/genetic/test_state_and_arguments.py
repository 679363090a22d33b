from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.bad_input import BadInput
from strategies.genetic import GeneticSearch
from tests.strategies.genetic.small_spaces import SPACE, play, scored, seeds, small_fitness, spaces

# Resume


actions = st.lists(
    st.tuples(st.sampled_from(["ask", "ask", "tell", "tell", "fail", "inject"]), st.integers(0, 40), st.integers(0, 5)),
    max_size=60,
)


def act(search: GeneticSearch, action: tuple[str, int, int]) -> object:
    """What the search answers to one action."""
    kind, which, fitness = action
    if kind == "ask":
        return search.ask()
    if kind == "inject":
        values = zip(search.labels, search.candidates, strict=True)
        search.add_trial(scored(float(fitness), {label: choice[which % len(choice)] for label, choice in values}))
    elif known := len(search.state_dict()["genes"]):
        if kind == "tell":
            return search.tell(which % known, scored(float(fitness)))
        search.ledger.fail(which % known)
    return None


@settings(deadline=None, max_examples=200)
@given(spaces(), seeds, actions, st.integers(0, 60))
def test_resumed_search_goes_on_as_if_never_interrupted(
    space: dict[str, tuple[int, ...]], seed: int, script: list[tuple[str, int, int]], interruption: int
) -> None:
    whole, parts = (GeneticSearch(space, 3, 20, seed=seed) for _ in range(2))
    for number, action in enumerate([*script, *[("ask", 0, 0)] * 21]):
        if number == interruption:
            state = json.loads(json.dumps(parts.state_dict()))
            parts = GeneticSearch(space, 3, 20, seed=seed + 1)
            parts.load_state_dict(state)
        assert act(parts, action) == act(whole, action)
        assert (parts.ledger.pending, parts.finished) == (whole.ledger.pending, whole.finished)
    assert parts.state_dict() == whole.state_dict()


def test_resume_may_raise_the_budget() -> None:
    short, long = GeneticSearch(SPACE, 4, 10), GeneticSearch(SPACE, 4, 30)
    first = play(short, small_fitness, 100)
    resumed = GeneticSearch(SPACE, 4, 30)
    resumed.load_state_dict(short.state_dict())
    assert first + play(resumed, small_fitness, 100) == play(long, small_fitness, 100)


@pytest.mark.parametrize("space", [{"s1l0": (1, 2)}, {**SPACE, "s1l0": (1, 2)}, dict(reversed(SPACE.items()))])
def test_state_of_another_space_is_refused(space: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(BadInput, match="the saved search is over another search space: start a new experiment"):
        GeneticSearch(space).load_state_dict(GeneticSearch(SPACE).state_dict())


# Arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"population_size": 0}, "population_size must be a whole number of at least 1, not 0"),
        ({"population_size": 1}, "population_size must be at least 2, as a child has two parents, not 1"),
        ({"population_size": 50.0}, "population_size must be a whole number of at least 1, not 50.0"),
        ({"budget": 0}, "budget must be a whole number of at least 1, not 0"),
        ({"budget": "100"}, "budget must be a whole number of at least 1, not '100'"),
        ({"budget": True}, "budget must be a whole number of at least 1, not True"),
        ({"mutation_rate": -0.1}, "mutation_rate must lie between 0 and 1, not -0.1"),
        ({"mutation_rate": 20}, "mutation_rate must lie between 0 and 1, not 20"),
        ({"mutation_rate": math.nan}, "mutation_rate must lie between 0 and 1, not nan"),
        ({"mutation_rate": math.inf}, "mutation_rate must lie between 0 and 1, not inf"),
        ({"budget": math.inf}, "budget must be a whole number of at least 1, not inf"),
        ({"mutation_rate": "0.2"}, "mutation_rate must lie between 0 and 1, not '0.2'"),
        ({"mutation_rate": True}, "mutation_rate must lie between 0 and 1, not True"),
        ({"seed": -1}, "seed must be a whole number of at least 0, not -1"),
        ({"seed": None}, "seed must be a whole number of at least 0, not None"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput) as refusal:
        GeneticSearch(SPACE, **arguments)
    assert str(refusal.value) == message
