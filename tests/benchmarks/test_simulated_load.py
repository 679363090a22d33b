from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.simulated_load import Interval, expectation, genetic, measure, table, tuner
from nni_api.records import RECORDS_FILE, read_records


@pytest.mark.parametrize("search", [genetic, expectation])
def test_an_algorithm_decides_as_often_as_asked(search: object) -> None:
    assert callable(search)
    decide = search(200)
    assert [step.evaluations for step in measure(decide, 200)] == list(range(20, 201, 20))
    with pytest.raises(AssertionError):
        decide()  # there is nothing left


def test_each_decision_of_the_tuner_is_a_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNI_CHECKPOINT_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("NNI_TUNER_COMMAND_CHANNEL", "ws://localhost:1/tuner")
    decide = tuner(3)
    for _ in range(3):
        decide()
    events = read_records(tmp_path / RECORDS_FILE)
    assert [event["event"] for event in events] == ["started", *["proposed", "finished"] * 3]


def test_the_table_by_hand() -> None:
    [line] = table([Interval(10_000, 0.0002, 0.0005, 50 << 20)]).splitlines()[1:]
    assert line.split() == ["10000", "0.200", "ms", "0.500", "ms", "5000", "50.0", "MB"]
