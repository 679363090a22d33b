from __future__ import annotations

import re

import pytest

from common.bad_input import BadInput
from strategies.expectation import ExpectationSearch
from strategies.genetic import GeneticSearch
from studies.scale.breakfast import AS_THEY_ARE, CHANGED, TRIAL_SECONDS, Plan
from studies.scale.costs import Costs
from tests.conftest import REPOSITORY

PLANS = {plan.name: plan for plan in (*AS_THEY_ARE, *CHANGED)}


def test_the_papers_search_and_its_parts() -> None:
    search = PLANS["genetic search, the paper's settings"].work(1.0, 1).search
    assert isinstance(search, GeneticSearch)
    assert (search.population_size, search.budget) == (50, 5000)
    part = PLANS["genetic search, 8 managers"].work(1.0, 1).search
    assert isinstance(part, GeneticSearch)
    assert (part.population_size, part.budget) == (50, 625)


@pytest.mark.parametrize(
    ("name", "gpus", "chains"),
    [
        ("local search", 64, 1),
        ("local search, 4 splits x 3 seeds", 64, 12),
        ("local search, a chain for each GPU", 64, 64),
    ],
)
def test_chains(name: str, gpus: int, chains: int) -> None:
    search = PLANS[name].work(1.0, gpus).search
    assert isinstance(search, ExpectationSearch)
    assert (len(search.chains), search.iterations) == (chains, 10)


def test_trainings_of_the_files() -> None:
    final = PLANS["final trainings"].outcome(8, Costs())
    # 2 structures x 4 splits x 3 seeds in three rounds; on one host, the store has nothing to do.
    assert (final.trials, final.spent["store"]) == (24, 0)
    assert 3 * TRIAL_SECONDS["final"] < final.seconds < 3 * (TRIAL_SECONDS["final"] + 10)
    several = PLANS["differentiable search, 4 splits at once"].outcome(64, Costs())
    assert several.trials == 4 * PLANS["differentiable search"].outcome(64, Costs()).trials == 12
    assert several.spent["store"] > 0


def test_gpus_are_shared_evenly() -> None:
    plan = PLANS["local search, a chain for each GPU, 8 managers"]
    outcome = plan.outcome(16, Costs(), {"local": 20.0})
    assert (outcome.workers, outcome.trials) == (16, 160)
    with pytest.raises(BadInput, match="12 GPUs cannot be shared evenly by 8 managers"):
        plan.outcome(12, Costs())


@pytest.mark.parametrize(
    ("row", "kind", "trials"),
    [
        ("genetic search, the paper's settings", "genetic", 5000),
        ("differentiable search, one seed", "differentiable", 1),
        ("local search", "local", 10),
        ("final training", "final", 1),
    ],
)
def test_seconds_of_trials_are_those_of_the_guide(row: str, kind: str, trials: int) -> None:
    text = (REPOSITORY / "docs" / "search.md").read_text()
    (hours,) = re.findall(rf"^\| {row}[^|]*\| \d+ \| ([\d.]+) \|", text, re.MULTILINE)
    assert TRIAL_SECONDS[kind] == pytest.approx(3600 * float(hours) / trials, rel=0.01)  # type: ignore[index]


def test_plans_have_names_of_their_own() -> None:
    assert len(PLANS) == len(AS_THEY_ARE) + len(CHANGED)
    assert all(isinstance(plan, Plan) and plan.kind in TRIAL_SECONDS for plan in PLANS.values())
