from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from analysis.history import read_history
from analysis.trial_table import trial_rows, write_trial_table
from common.bad_input import BadInput
from nas_space.networks import find_network
from nni_api.records import Records
from trials.training.metrics import METRICS

NETWORK = find_network("causal-ms-tcn:stages=1,layers=2")
FIRST, SECOND = {"s1l0": 4, "s1l1": 8}, {"s1l0": 1, "s1l1": 2}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Records, a second apart from 1000 on: a success, a failure that is tried again, a trial added by hand."""
    monkeypatch.setattr("nni_api.records.time.time", iter(range(1000, 2000)).__next__)
    folder = tmp_path / "Ab3dE" / "checkpoint"
    folder.mkdir(parents=True)
    records = Records(folder)
    records.write("started", network=NETWORK.to_json())
    records.write("proposed", uid=0, structure=FIRST, generation=0, parents=[])
    records.write("proposed", uid=1, structure=SECOND, generation=1, parents=[0, 7])
    records.write("failed", uid=1, trial="bad", reason='out of "memory",\nor so', again=True)
    epochs = [{"default": 10.0}, {"default": 30.5}]
    metrics = {"default": 30.5, **dict.fromkeys(METRICS, 40.0)}
    records.write("finished", uid=0, trial="good", structure=FIRST, metrics=metrics, epochs=epochs, seconds=3.0)
    other: dict[str, Any] = {"trial": "other", "metrics": {"default": 50.0}, "epochs": [{}], "seconds": None}
    records.write("finished", uid=None, structure={"x": 3}, **other)
    return folder


def test_every_trial_has_a_row_with_what_is_known_of_it(folder: Path) -> None:
    failed, good, other = trial_rows(read_history(folder))
    # Causal: 2 x (4 + 8) frames of the past; 2 x (1 + 2).
    assert good == {
        **{"trial": "good", "proposal": 0, "ended": 1004, "state": "succeeded", "reason": None, "retried": None},
        **{"generation": 0, "parents": "", "s1l0": 4, "s1l1": 8},
        **{
            "past_frames": 24,
            "future_frames": 0,
            "receptive_field": 25,
            "multiply_adds": 2 * 64 * 64 * 4,
            "default": 30.5,
            **dict.fromkeys(METRICS, 40.0),
        },
        **{"seconds": 3.0, "epochs": 2, "default_epoch_1": 10.0, "default_epoch_2": 30.5},
    }
    known = {name: value for name, value in failed.items() if value is not None}
    assert known == {
        **{"trial": "bad", "proposal": 1, "ended": 1003, "state": "failed", "retried": True},
        **{"reason": 'out of "memory",\nor so', "generation": 1, "parents": "0 7"},
        **{
            "s1l0": 1,
            "s1l1": 2,
            "past_frames": 6,
            "future_frames": 0,
            "receptive_field": 7,
            "multiply_adds": 2 * 64 * 64 * 4,
        },
    }
    known = {name: value for name, value in other.items() if value is not None}
    assert known == {"trial": "other", "ended": 1005, "state": "succeeded", "default": 50.0, "epochs": 1}


def test_the_file_is_read_back_as_it_was_written(folder: Path, tmp_path: Path) -> None:
    write_trial_table(read_history(folder), tmp_path / "new" / "trials.csv")
    with open(tmp_path / "new" / "trials.csv", newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    rows = trial_rows(read_history(folder))
    assert read == [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]
    assert list(read[0]) == list(rows[1])


def test_a_damaged_structure_is_refused_with_its_trial(folder: Path) -> None:
    path = folder / "records.jsonl"
    path.write_text(path.read_text().replace('"s1l0": 4', '"s1l0": 2.5'))
    with pytest.raises(BadInput, match=r"records\.jsonl, trial good: the dilation of layer 's1l0' must be a whole"):
        trial_rows(read_history(folder))


def test_without_trials_there_is_no_table(tmp_path: Path) -> None:
    Records(tmp_path).write("started", network=NETWORK.to_json())
    with pytest.raises(BadInput, match="no trial has ended yet"):
        write_trial_table(read_history(tmp_path), tmp_path / "trials.csv")
    assert not (tmp_path / "trials.csv").exists()
