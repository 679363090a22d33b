from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from strategies.adapter.failures import (
    FAILURES_TO_STOP,
    KILLED,
    NO_REASON,
    NO_RESULT,
    STOPPED,
    FailuresInARow,
    why_failed,
)


def manager(job: Any) -> Any:
    """A manager that knows one trial."""
    return Mock(latest_job=Mock(return_value=job))


@pytest.mark.parametrize(
    ("status", "printed", "reason"),
    [
        ("FAILED", "Traceback\n  import x\nImportError: no x\n\n", "the trial failed: ImportError: no x"),
        ("FAILED", "error: data: no such folder", "the trial failed: error: data: no such folder"),
        ("FAILED", "", "the trial failed: it printed nothing"),
        ("FAILED", None, NO_REASON),
        ("USER_CANCELED", "epoch 1", KILLED),
        ("EARLY_STOPPED", "epoch 1", STOPPED),
        ("FAILED", "epoch 1\ninterrupted\n", STOPPED),
    ],
)
def test_why_a_trial_failed(tmp_path: Path, status: str, printed: str | None, reason: str) -> None:
    if printed is not None:
        (tmp_path / "Ab3dE").mkdir()
        (tmp_path / "Ab3dE" / "trial.stderr").write_text(printed)
    job = {"trialJobId": "Ab3dE", "status": status}
    assert why_failed(manager(job), 3, tmp_path) == (reason, "Ab3dE")


def test_a_manager_that_knows_nothing(tmp_path: Path) -> None:
    assert why_failed(manager(None), 3, tmp_path) == (NO_REASON, None)
    gone: Any = Mock(latest_job=Mock(side_effect=ConnectionRefusedError))
    assert why_failed(gone, 3, tmp_path) == (NO_REASON, None)


def ends_after(row: FailuresInARow, reasons: list[str]) -> int | None:
    """After which failure the experiment is to end, counted from 1."""
    for count, reason in enumerate(reasons, start=1):
        if row.note(count, reason, again=False) is not None:
            return count
    return None


def test_the_first_failures_end_it_whatever_their_reasons() -> None:
    assert ends_after(FailuresInARow(succeeded=False), [KILLED, "a", "b", "a", "c", "d"]) == FAILURES_TO_STOP


@pytest.mark.parametrize(
    ("reasons", "end"), [("aaaaa", 5), ("baaaaa", 6), ("aaaabaaaa", None), ("ababababab", None), ("aaaa", None)]
)
def test_later_it_takes_one_reason(reasons: str, end: int | None) -> None:
    assert ends_after(FailuresInARow(succeeded=True), list(reasons)) == end


@pytest.mark.parametrize("reason", [KILLED, NO_REASON, NO_RESULT, STOPPED])
def test_later_it_takes_a_clear_reason(reason: str) -> None:
    assert ends_after(FailuresInARow(succeeded=True), [reason] * 20) is None


def test_a_success_ends_the_row() -> None:
    row = FailuresInARow(succeeded=False)
    assert ends_after(row, ["a"] * 4) is None
    row.end()
    assert ends_after(row, ["a"] * 4) is None


def test_what_was_given_up_in_the_row_is_to_be_tried_again() -> None:
    row = FailuresInARow(succeeded=True)
    row.note(1, "a", again=False)
    row.end()
    for uid in (2, 3, 4, 5, 6):
        assert row.reopen == []
        row.note(uid, "a", again=uid == 4)
    assert row.reopen == [2, 3, 5, 6]
