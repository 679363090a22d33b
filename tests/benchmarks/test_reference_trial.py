"""The usual trial that ours is timed against reads and reports what ours does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nni
import pytest

from benchmarks.reference import ReferenceTraining
from benchmarks.reference_trial import read_video, train_and_report
from tests.conftest import write_dataset
from trials.data.dataset import Dataset
from trials.training.metrics import METRICS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "small", train=6, test=2)


def test_a_video_is_the_one_that_ours_reads(folder: Path) -> None:
    dataset = Dataset(folder)
    features, labels = read_video(dataset, "p00-1")
    video = dataset.load("p00-1")
    assert (video.features == features.T).all()
    assert (labels == video.labels).all()


def test_every_epoch_is_judged_and_the_last_one_reported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[dict[str, float]] = []
    monkeypatch.setattr(nni, "get_next_parameter", dict)
    monkeypatch.setattr(nni, "report_intermediate_result", reported.append)
    monkeypatch.setattr(nni, "report_final_result", reported.append)
    steps: list[int] = []
    step = ReferenceTraining.step

    def counted(training: ReferenceTraining, *batch: Any) -> Any:
        steps.append(len(reported))
        return step(training, *batch)

    monkeypatch.setattr(ReferenceTraining, "step", counted)
    train, test = Dataset(folder).split(1)
    train_and_report(folder, train, test, epochs=3)
    assert [tuple(metrics) for metrics in reported] == [("default", *METRICS)] * 3
    assert all(report["default"] == pytest.approx(sum(report[name] for name in METRICS) / 5) for report in reported)
    assert steps == [0] * len(train) + [1] * len(train) + [2] * len(train)  # a video a step, between the reports
