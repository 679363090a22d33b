from __future__ import annotations

from pathlib import Path

import pytest

from common.bad_input import KnownFailure
from studies.scale.comparisons import do_nothing
from studies.scale.costs import Costs
from studies.scale.real_run import RealRun, measured

EVENTS = [(0.0, "RUNNING"), (1.0, "RUNNING"), (10.0, "SUCCEEDED"), (12.0, "SUCCEEDED")]
LINES = ["end 0 9.00", "end 2 30.00", "end 1 45.00", "submission 1 80.00", "report 1 20.00", "listing 4 1.00"]


def test_what_the_manager_did() -> None:
    # Two ends of 15 ms and one of 45; a look at no ends counts for nothing. Two lists of 4 and 12 trials in 4 ms.
    seconds = measured([*LINES, "listing 12 3.00"])
    assert seconds == pytest.approx({"end": 0.025, "submission": 0.08, "report": 0.02, "listing": 0.00025})


def test_a_run_by_hand() -> None:
    run = RealRun.of(EVENTS, LINES)
    assert (run.trials, run.seconds, run.trial_seconds) == (2, 12.0, 10.5)
    assert (run.costs.submission, run.costs.end, run.costs.report) == pytest.approx((0.08, 0.025, 0.02))
    assert run.costs.listing == pytest.approx(0.00025)
    assert run.costs.decision == Costs().decision


@pytest.mark.parametrize("events", [[], EVENTS[:-1]])
def test_a_run_in_which_not_every_trial_succeeds(events: list[tuple[float, str]]) -> None:
    with pytest.raises(KnownFailure, match="have succeeded"):
        RealRun.of(events, LINES)


@pytest.mark.long
def test_a_real_experiment(tmp_path: Path) -> None:
    run = do_nothing(trials=4, workers=2).run(tmp_path)
    assert run.trials == 4
    assert 0 < run.trial_seconds < run.seconds
    counts = dict.fromkeys(("submission", "end", "report", "listing"), 0)
    for line in run.stopwatch:
        what, count, milliseconds = line.split()
        counts[what] += int(count)
        assert float(milliseconds) >= 0
    assert (counts["submission"], counts["end"], counts["report"]) == (4, 4, 4)
    assert counts["listing"] > 0
