from __future__ import annotations

import pytest

from studies.scale.check import Checked, beyond_bound, text_of
from studies.scale.comparisons import do_nothing
from studies.scale.real_run import RealRun

LINES = ("submission 1 80.00", "end 1 20.00", "report 1 10.00", "listing 1 0.10")


def checked(simulated: float, name: str = "local", real: float = 50.0) -> Checked:
    return Checked(name, 2, RealRun(8, real, 10.0, LINES), simulated, simulated + 1)


def test_idle_time_by_hand() -> None:
    # Eight trials of 10 s keep two workers for 40 s.
    row = checked(simulated=45.0).describe()
    assert (row["idle_real"], row["idle_simulated"]) == (10.0, 5.0)
    assert (row["submission"], row["end"], row["report"], row["from_costs"]) == (0.08, 0.02, 0.01, 46.0)


def test_the_median_counts() -> None:
    runs = [checked(45.0), checked(100.0), checked(47.5)]
    assert beyond_bound(runs) == []
    assert beyond_bound([*runs[1:], checked(90.0)]) == ["local, workers: 2: 1.80"]
    assert beyond_bound([checked(37.0, "final")]) == ["final, workers: 2: 0.74"]


def test_the_table_by_hand() -> None:
    line = text_of([checked(45.0), checked(100.0), checked(47.5)]).splitlines()[1]
    assert line.split() == ["local", "2", "3", "8", "10.00", "50.0", "47.5", "0.95", "0.97", "0.75"]


def test_two_sides_of_one_run() -> None:
    both = Checked.of(do_nothing(20, 4), RealRun(20, 30.0, 1.0, LINES))
    # Quicker here than ``Costs`` says: 80 + 20 + 10 ms a trial in place of more.
    assert both.simulated != both.from_costs
    assert both.simulated == pytest.approx(both.from_costs, rel=0.5)
