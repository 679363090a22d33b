from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nni_api.records import Records
from tests.conftest import REPOSITORY
from tests.drills.drilled_search import DrilledSearch
from tests.drills.fault_drills import trial_killed
from tests.drills.faults import Row, attempt, judge, table
from tests.drills.jumping_clock import JumpingClock
from tests.drills.refused_drills import wrong_path

SCORES = {(1, 4): 50.0, (4, 1): 40.0, (4, 4): 30.0}


class Ended(DrilledSearch):
    """A search that has ended, well or not, with these scores."""

    def __init__(self, folder: Path, scores: dict[tuple[int, int], float], said: str = "", done: bool = True) -> None:
        super().__init__(folder)
        self.said, self._done = said, done
        checkpoint = self.home / "nni-experiments" / "Ab3dE" / "checkpoint"
        checkpoint.mkdir(parents=True)
        records = Records(checkpoint)
        records.write("started", resumed=False, refusal=None)
        for uid, (dilations, score) in enumerate(scores.items()):
            structure = dict(zip(("s1l0", "s1l1"), dilations, strict=True))
            known: dict[str, Any] = {"uid": uid, "structure": structure}
            records.write("proposed", **known, generation=0, parents=[])
            records.write("finished", **known, trial=f"t{uid}", metrics={"default": score}, epochs=[], seconds=1.0)

    def is_done(self) -> bool:
        return self._done


@pytest.fixture
def undisturbed(tmp_path: Path) -> DrilledSearch:
    return Ended(tmp_path / "undisturbed", SCORES)


def test_a_search_that_lost_nothing_passes(tmp_path: Path, undisturbed: DrilledSearch) -> None:
    search = Ended(tmp_path / "drill", dict(reversed(SCORES.items())))
    search.strike()
    row = judge("trial-killed", trial_killed, search, undisturbed)
    assert row == Row("trial-killed", 3, 3, "same", None, (), passed=True)


def test_a_lost_result_fails(tmp_path: Path, undisturbed: DrilledSearch) -> None:
    search = Ended(tmp_path / "drill", SCORES)
    search.strike()
    search.before[9] = "a result that is not there any more"
    row = judge("trial-killed", trial_killed, search, undisturbed)
    assert (row.before, row.kept, row.passed) == (4, 3, False)


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ({(1, 4): 50.0, (4, 1): 40.0}, "same"),
        ({(4, 1): 40.0, (4, 4): 30.0}, "another"),
        ({**SCORES, (4, 4): 31.0}, "other numbers"),
    ],
)
def test_the_best_structure_and_all_numbers_are_compared(
    tmp_path: Path, undisturbed: DrilledSearch, scores: dict[tuple[int, int], float], best: str
) -> None:
    row = judge("trial-killed", trial_killed, Ended(tmp_path / "drill", scores), undisturbed)
    assert (row.best, row.passed) == (best, best == "same")


def test_a_search_that_ended_early_fails_unless_it_is_to_be_refused(tmp_path: Path, undisturbed: DrilledSearch) -> None:
    search = Ended(tmp_path / "drill", SCORES, "3 trials ended\nerror: no such folder\n", done=False)
    assert not judge("trial-killed", trial_killed, search, undisturbed).passed
    row = judge("wrong-path", wrong_path, search, None)
    assert (row.best, row.said, row.passed) == ("no result", ("error: no such folder",), True)
    search.said = "Traceback"
    assert not judge("wrong-path", wrong_path, search, None).passed


def test_the_table_has_the_reasons_below() -> None:
    rows = [Row("a", 3, 3, "same", 1.25, (), passed=True), Row("b", 0, 0, "no result", None, ("why",), passed=False)]
    assert table(rows).splitlines() == [
        "drill                        reported  kept           best  seconds",
        "a                                   3     3           same      1.2",
        "b                                   0     0      no result           FAILED",
        "",
        "b: why",
    ]


def test_no_process_of_a_drill_lives_on(tmp_path: Path) -> None:
    def leaves_one(folder: Path) -> DrilledSearch:
        search = DrilledSearch(folder)
        sleeping = [sys.executable, "-c", "import time; time.sleep(60)"]
        left.append(subprocess.Popen(sleeping, env=search.environment()))
        return search

    left: list[subprocess.Popen[bytes]] = []
    with pytest.raises(RuntimeError, match="1 processes were left"):
        attempt(leaves_one, tmp_path)
    assert left[0].wait(timeout=30) == -9


def test_a_clock_jumps_for_python_and_node(tmp_path: Path) -> None:
    clock = JumpingClock(tmp_path)
    environment = {**os.environ, **clock.environment}

    def shown(*command: str) -> float:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=REPOSITORY)
        return float(done.stdout)

    node = next(Path(sys.prefix).glob("lib/python*/site-packages/nni_node/node"))
    true = shown(sys.executable, "-c", "import time; print(time.time())")
    clock.jump(86400)
    for command in (
        [sys.executable, "-c", "import time; print(time.time())"],
        [str(node), "-e", "console.log(Date.now() / 1000)"],
        [str(node), "-e", "console.log(new Date().getTime() / 1000)"],
    ):
        assert 86400 <= shown(*command) - true < 86400 + 60
