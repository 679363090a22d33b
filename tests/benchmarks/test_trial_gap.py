from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.trial_gap import gaps, read_events
from common.bad_input import BadInput


def test_gaps_by_hand() -> None:
    # Two workers: 0 and 1 start both; the first is free at 10 and begins again at 12, the second at 11 and 14.
    events = [(0.0, "RUNNING"), (1.0, "RUNNING"), (10.0, "SUCCEEDED"), (11.0, "SUCCEEDED"), (12.0, "RUNNING")]
    events += [(14.0, "RUNNING"), (20.0, "SUCCEEDED"), (21.0, "SUCCEEDED")]
    assert gaps(events) == [2.0, 3.0]


def test_events_are_read_from_nnis_database(tmp_path: Path) -> None:
    database = tmp_path / "what?mode=rwc#x%20" / "nni.sqlite"
    database.parent.mkdir()
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("create table TrialJobEvent (timestamp integer, trialJobId text, event text)")
        rows = [(1000, "a", "WAITING"), (1500, "a", "RUNNING"), (9000, "a", "SUCCEEDED"), (9999, "b", "FAILED")]
        connection.executemany("insert into TrialJobEvent values (?, ?, ?)", rows)
        connection.commit()
    assert read_events(database) == [(1.5, "RUNNING"), (9.0, "SUCCEEDED")]
    with pytest.raises(BadInput, match="no such database"):
        read_events(tmp_path / "nowhere")
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("insert into TrialJobEvent values ('soon', 'a', 'RUNNING')")
        connection.commit()
    with pytest.raises(BadInput, match=r"nni\.sqlite: not NNI's database, or damaged"):
        read_events(database)
