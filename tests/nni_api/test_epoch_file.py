"""A trial's training can be watched: epochs are noted in the folder of the trial, whatever is in the way."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from nni_api.epoch_file import EPOCH_FILE, EpochNotes, read_epoch


def test_epochs_are_noted_as_they_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNI_OUTPUT_DIR", str(tmp_path))
    clock = iter([10.0, 14.5, 17.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    notes, seen = EpochNotes(), []
    for done in (5, 6):  # a training that goes on after epoch 5
        notes.begin(done, 30)
        seen.append(read_epoch(tmp_path))
        notes.end(done + 1, 30)
        seen.append(read_epoch(tmp_path))
    assert [epoch and epoch[:3] for epoch in seen] == [(5, 30, None), (6, 30, 4.5), (6, 30, 4.5), (7, 30, 3.5)]


def test_without_nni_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NNI_OUTPUT_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    EpochNotes().begin(0, 3)
    assert list(tmp_path.iterdir()) == []


def test_a_note_that_cannot_be_written_ends_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NNI_OUTPUT_DIR", str(tmp_path / "file"))
    EpochNotes().begin(0, 3)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"epoch": 3}',
        json.dumps({"epoch": 4, "epochs": 3, "seconds": None}),
        json.dumps({"epoch": True, "epochs": 3, "seconds": None}),
        json.dumps({"epoch": 1, "epochs": 3, "seconds": -1}),
        json.dumps({"epoch": 1, "epochs": 3, "seconds": "x"}),
    ],
)
def test_what_is_no_note_tells_nothing(content: str, tmp_path: Path) -> None:
    (tmp_path / EPOCH_FILE).write_text(content)
    assert read_epoch(tmp_path) is None
    assert read_epoch(tmp_path / "nowhere") is None
