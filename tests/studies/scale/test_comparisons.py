from __future__ import annotations

from pathlib import Path

import pytest

from experiments.steps import trials_of
from studies.scale.comparisons import do_nothing, real_searches
from studies.scale.costs import Costs
from studies.scale.real_run import RealRun


@pytest.mark.parametrize("workers", [1, 2])
def test_both_sides_have_the_same_trials(tmp_path: Path, workers: int) -> None:
    comparisons = real_searches(tmp_path, workers)
    assert [each.name for each in comparisons] == ["genetic", "differentiable", "local", "final"]
    for each in comparisons:
        trials = trials_of(each.config)
        assert trials is not None
        assert each.config["trialConcurrency"] == each.workers == workers
        # Of 100 s each, the real ones have taken at least so long.
        seconds = each.simulated(RealRun(trials, 0.0, 100.0, ()), Costs())
        assert seconds >= 100 * trials / workers
        assert seconds < 100 * trials / workers + 100 + 2 * trials


def test_trials_that_do_nothing() -> None:
    comparison = do_nothing(20, 4)
    assert trials_of(comparison.config) == 20
    assert comparison.simulated(RealRun(20, 0.0, 0.5, ()), Costs()) > 5 * 0.5
