from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from experiments.from_data import timed_steps
from experiments.from_data.timed_steps import Speed, time_steps
from nas_space.networks import find_network
from tests.conftest import write_dataset
from trials.data.dataset import find_dataset


@pytest.mark.parametrize("text", ["ms-tcn", "ms-tcn++", "causal-ms-tcn"])
def test_every_form_of_a_network_is_timed(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timed_steps, "_start_seconds", lambda: 3.0)
    write_dataset(tmp_path / "mine")
    dataset, threads = find_dataset("mine", tmp_path), torch.get_num_threads()
    network, videos = find_network(f"{text}:layers=3"), dataset.split(1)[0]
    speeds = time_steps(network, dataset, videos, batch_size=8, candidates=(1, 2), concurrency=2)
    assert all(each.step > 0 and each.prediction > 0 for each in (speeds.plain, speeds.branched, speeds.choosing))
    assert speeds.start == 3.0
    assert torch.get_num_threads() == threads


def test_a_step_that_is_timed_ends_with_its_loss_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else only its launch would be timed on a GPU."""
    results: list[object] = []

    def once(function: Callable[[], object]) -> float:
        results.append(function())
        return 1.0

    monkeypatch.setattr(timed_steps, "_start_seconds", lambda: 3.0)
    monkeypatch.setattr(timed_steps, "_seconds", once)
    write_dataset(tmp_path / "mine")
    dataset = find_dataset("mine", tmp_path)
    network = find_network("ms-tcn:stages=1,layers=2")
    time_steps(network, dataset, dataset.split(1)[0], batch_size=2, candidates=(1, 2), concurrency=1)
    assert [type(result) for result in results] == [float, torch.Tensor] * 3  # steps, and predictions on the CPU


def test_a_trial_takes_time_to_start() -> None:
    assert timed_steps._start_seconds() > 0


def test_a_long_step_is_timed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(timed_steps, "LONG_SECONDS", -1.0)
    timed_steps._seconds(lambda: calls.append(1))
    assert calls == [1]


def test_an_epoch_trains_and_predicts() -> None:
    assert Speed(step=2.0, prediction=0.5).epoch(10, 4) == 22
