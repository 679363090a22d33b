from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from analysis.report.segmentations import Segmentations, segment_lengths, without_predictions
from analysis.report.subject import Subject
from tests.analysis.report.conftest import SmallRun
from trials.data.dataset import Dataset


@pytest.fixture
def dataset(small_run: SmallRun) -> Dataset:
    return Dataset(small_run.data_root / "small")


def test_videos_are_chosen_by_their_scores(small_run: SmallRun, dataset: Dataset) -> None:
    subject = Subject.of(str(small_run.folder))
    assert without_predictions(subject) is None
    found = Segmentations.of(subject, dataset)
    first, second = (dataset.split(split)[1] for split in (1, 2))
    assert set(found.by_video) == {*first, *second}
    chosen = found.chosen("local")
    assert chosen["worst"] == second[-1]  # all of it is taken for class_1
    assert found.by_video[chosen["best"]]["local"] == 100
    assert chosen["best"] == min(video for video in found.by_video if found.by_video[video]["local"] == 100)


def test_scores_are_pooled_over_splits(small_run: SmallRun, dataset: Dataset) -> None:
    found = Segmentations.of(Subject.of(str(small_run.folder)), dataset)
    videos = [*dataset.split(1)[1], *dataset.split(2)[1]]
    labels = np.concatenate([dataset.labels(video) for video in videos])
    # ``hand`` takes every frame for class_1: it finds all of those, and nothing else.
    assert found.scores["hand"].metrics()["acc"] == pytest.approx(100 * np.mean(labels == 1))
    assert found.scores["hand"].class_metrics(1)["acc"] == 100
    assert found.confusions["hand"].frames[:, 1].tolist() == np.bincount(labels, minlength=3).tolist()
    assert found.confusions["hand"].videos == len(videos)


def test_structures_are_compared_on_the_same_videos(small_run: SmallRun, dataset: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    shutil.copytree(small_run.folder, folder)
    shutil.rmtree(folder / "final" / "local" / "split2")
    found = Segmentations.of(Subject.of(str(folder)), dataset)
    assert set(found.by_video) == set(dataset.split(1)[1])
    assert {confusion.videos for confusion in found.confusions.values()} == {len(found.by_video)}


def test_the_first_seed_is_looked_at(small_run: SmallRun) -> None:
    models = Subject.of(str(small_run.folder)).models
    assert {model.folder.name for model in models.values()} == {"seed0"}


def test_lengths_are_those_of_the_runs_of_labels(dataset: Dataset) -> None:
    expected: dict[str, list[int]] = {}
    for video in dataset.videos():
        lines = dataset.label_path(video).read_text().split()
        start = 0
        for end in range(1, len(lines) + 1):
            if end == len(lines) or lines[end] != lines[start]:
                if lines[start] != "class_0":
                    expected.setdefault(lines[start], []).append(end - start)
                start = end
    assert segment_lengths(dataset, ["class_0"]) == expected


def test_lengths_are_of_the_frames_that_are_read(dataset: Dataset) -> None:
    every_second = Dataset(dataset.folder, sample_rate=2)
    frames = sum(sum(of_class) for of_class in segment_lengths(every_second, []).values())
    assert frames == sum(len(dataset.labels(video)[::2]) for video in dataset.videos())
