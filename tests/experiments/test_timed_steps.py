from __future__ import annotations

from pathlib import Path

import pytest
import torch

from experiments import timed_steps
from experiments.timed_steps import Speed, time_steps
from tests.conftest import write_dataset
from trials.data.dataset import find_dataset


def test_every_kind_of_network_is_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timed_steps, "_start_seconds", lambda: 3.0)
    write_dataset(tmp_path / "mine")
    dataset, threads = find_dataset("mine", tmp_path), torch.get_num_threads()
    speeds = time_steps(dataset, dataset.split(1)[0], batch_size=8, candidates=(1, 2), concurrency=2)
    assert all(each.step > 0 and each.prediction > 0 for each in (speeds.plain, speeds.branched, speeds.choosing))
    assert speeds.start == 3.0
    assert torch.get_num_threads() == threads


def test_a_trial_takes_time_to_start() -> None:
    assert timed_steps._start_seconds() > 0


def test_a_long_step_is_timed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(timed_steps, "LONG_SECONDS", -1.0)
    timed_steps._seconds(lambda: calls.append(1))
    assert calls == [1]


def test_an_epoch_trains_and_predicts() -> None:
    assert Speed(step=2.0, prediction=0.5).epoch(10, 4) == 22
