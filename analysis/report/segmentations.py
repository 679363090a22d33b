"""Predictions of the final models for the test videos, against the ground truth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

from analysis.plots.confusion import Confusion
from analysis.plots.label_folders import GroundTruth
from analysis.report.subject import FinalModel, Subject
from common.bad_input import BadInput
from trials.data.dataset import Dataset
from trials.data.label_files import Labels
from trials.training.metrics import METRICS, Scores, Segments


@dataclass
class Segmentations:
    """The predictions of the first seed of each structure and split, scored video by video."""

    truth: GroundTruth
    predictions: dict[str, dict[str, Path]] = field(default_factory=dict)
    """Folder of a prediction, by video, then by structure."""
    scores: dict[str, Scores] = field(default_factory=dict)
    """Of all test videos, by structure."""
    confusions: dict[str, Confusion] = field(default_factory=dict)
    """By structure."""
    by_video: dict[str, dict[str, float]] = field(default_factory=dict)
    """Mean of the five metrics, by video, then by structure."""

    @classmethod
    def of(cls, subject: Subject, dataset: Dataset) -> Segmentations:
        """Of all predictions. Raises BadInput where predictions are missing or damaged."""
        models = list(subject.models.values())
        names = models[0].background
        found = cls(GroundTruth.of(dataset.folder / "groundTruth", dataset.folder / "mapping.txt", names))
        for model in models:
            found._add(model)
        return found

    def _add(self, model: FinalModel) -> None:
        classes, background = len(self.truth.classes), self.truth.background
        scores = self.scores.setdefault(model.structure, Scores(classes, background))
        confusion = self.confusions.setdefault(model.structure, Confusion(classes, background))
        for video in model.test_videos:
            true = self.truth.labels(video)
            predicted = self.truth.predicted(model.predictions, video, true)
            true = true[: len(predicted)]
            scores.add(predicted, true)
            confusion.add(predicted, true)
            alone = Scores(classes, background)
            alone.add(predicted, true)
            self.by_video.setdefault(video, {})[model.structure] = mean(alone.metrics()[name] for name in METRICS)
            self.predictions.setdefault(video, {})[model.structure] = model.predictions

    def of_video(self, video: str) -> tuple[Labels, dict[str, Labels]]:
        """True class ids ``(frames,)`` of a video, and the predicted ones by structure."""
        true = self.truth.labels(video)
        folders = self.predictions[video]
        return true, {name: self.truth.predicted(folder, video, true) for name, folder in folders.items()}

    def by_class(self) -> list[dict[str, Any]]:
        """Per class that occurs: name, background, true segments; by structure its metrics and ``predicted``."""
        rows = []
        present = {index for confusion in self.confusions.values() for index in confusion.present()}
        for index in sorted(present):
            true = next(iter(self.confusions.values())).segments[0, index]
            row: dict[str, Any] = {"name": self.truth.classes[index], "background": index in self.truth.background}
            for name, confusion in self.confusions.items():
                predicted = int(confusion.segments[1, index])
                row[name] = {**self.scores[name].class_metrics(index), "predicted": predicted}
            rows.append({**row, "true": int(true)})
        return rows

    def chosen(self, structure: str) -> dict[str, str]:
        """The best, the median and the worst test video of a structure, by ``best``, ``median`` and ``worst``."""
        ranked = sorted(
            (video for video, values in self.by_video.items() if structure in values),
            key=lambda video: (-self.by_video[video][structure], video),
        )
        ranks = {"best": 0, "median": len(ranked) // 2, "worst": len(ranked) - 1}
        chosen: dict[str, str] = {}
        for name, rank in ranks.items():
            if ranked[rank] not in chosen.values():
                chosen[name] = ranked[rank]
        return chosen


def without_predictions(subject: Subject) -> str | None:
    """What to do where predictions are missing, as from older versions; None where all exist."""
    for each in subject.models.values():
        if not all((each.predictions / f"{video}.txt").exists() for video in each.test_videos):
            path = f"final/{each.structure}/split{each.split}/{each.folder.name}"
            return (
                f"Predictions are missing in {path}: no segmentations, no scores of single classes. Make them with "
                f"'python -m trials.predict --checkpoint RUN/{path}/model.pt --split {each.split} "
                f"--output RUN/{path}/predictions', and so for the other first seeds."
            )
    return None


def segment_lengths(dataset: Dataset, background: Iterable[str]) -> dict[str, list[int]]:
    """Lengths of all segments in all splits by class, in frames as the network reads them."""
    left_out = {dataset.class_ids[name] for name in background}
    lengths: dict[str, list[int]] = {}
    for video in dataset.videos():
        segments = Segments.of(dataset.labels(video)[:: dataset.sample_rate], left_out)
        for identifier, start, end in zip(segments.classes, segments.starts, segments.ends, strict=True):
            lengths.setdefault(dataset.classes[identifier], []).append(int(end - start))
    if not lengths:
        raise BadInput(f"{dataset.folder}: all segments are background")
    return lengths
