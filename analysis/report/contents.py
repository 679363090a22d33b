"""The content of a report, as the page's template reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from analysis.comparison import Comparison
from analysis.final import aggregate, compared_with_hand, read_costs
from analysis.frontier import answer, read_frontier
from analysis.plots.confusion import draw_confusion
from analysis.plots.frontier import draw_frontier
from analysis.plots.timeline import draw_timeline
from analysis.recommendation import Recommendation
from analysis.report.answer import explanation, headline, total_cost
from analysis.report.network_cost import NetworkCost, measure, processor
from analysis.report.pictures import Picture, Pictures
from analysis.report.segmentations import Segmentations, segment_lengths, without_predictions
from analysis.report.split_section import SplitSection, split_section
from analysis.report.subject import HAND, Subject
from analysis.searches import SearchCost
from common.bad_input import BadInput
from trials.data.dataset import Dataset
from trials.data.known_datasets import background_classes, defaults_of
from trials.training.checkpoint import versions

MEASURED_FRAMES = 2000
"""Of the video whose prediction is timed."""


@dataclass
class Contents:
    """A report's content; what could not be made is empty, and explained in ``left_out``."""

    subject: Subject
    written: str
    """Date and time."""
    headline: str
    explanation: str
    recommendation: str
    """What the run recommends by its choice; empty where it has made none."""
    cost: SearchCost | None
    """Of all searches."""
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Of ``analysis.final.aggregate``."""
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    sections: list[SplitSection] = field(default_factory=list)
    longest: tuple[int, str] | None = None
    """Frames of the longest segment as the network reads them, and its class."""
    fps: float | None = None
    """Frames per second of the label files; None: unknown."""
    rate: float | None = None
    """Frames per second as the network reads them; None: unknown."""
    context: str = ""
    """How far the network must look, where ``experiments.context`` has asked."""
    frontier: list[Picture] = field(default_factory=list)
    """Its figure."""
    timelines: list[Picture] = field(default_factory=list)
    confusions: dict[str, list[Picture]] = field(default_factory=dict)
    """By structure."""
    classes: list[dict[str, Any]] = field(default_factory=list)
    """Per class: name, true segments, and by structure accuracy, F1@50 and predicted segments."""
    segmentation: dict[str, dict[str, int]] = field(default_factory=dict)
    """By structure: over- and under-segmented videos, all videos, true and predicted segments."""
    networks: dict[str, NetworkCost] = field(default_factory=dict)
    processor: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def collect(subject: Subject, dataset: Dataset | None, pictures: Pictures) -> Contents:
    """Read, draw and measure everything in a report.

    Args:
        dataset: None: the data is missing, and everything that needs its labels is left out.
    """
    costs = None if subject.folder is None else read_costs(subject.folder / "final")
    rows = aggregate(subject.runs, costs) if subject.runs else {}
    compared = compared_with_hand(rows)
    recommended = None if subject.folder is None else Recommendation.of_run(subject.folder)
    contents = Contents(
        subject,
        datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
        headline(subject, compared),
        explanation(subject, compared),
        "" if recommended is None else recommended.sentence,
        total_cost(subject) if subject.searches else None,
        rows,
        compared,
        settings=_settings(subject),
        left_out=[f"{what[0].upper()}{what[1:]}." for what in subject.unfinished],
    )
    # Everything is read before the first figure is drawn, so that a damaged file is reported at once.
    lengths, found = _read_labels(contents, dataset)
    structures = {split: subject.structures(split) for split in subject.splits()}
    contents.sections = [
        split_section(subject, split, of_split, lengths, contents.rate, pictures)
        for split, of_split in structures.items()
    ]
    if subject.runs:
        _add_networks(contents)
    if subject.folder is not None and any(subject.folder.glob("context/final/*")):
        _add_context(contents, subject.folder / "context", pictures)
    if found is not None:
        _add_segmentations(contents, found, pictures)
    contents.left_out += pictures.left_out
    return contents


def _read_labels(contents: Contents, dataset: Dataset | None) -> tuple[dict[str, list[int]], Segmentations | None]:
    """Segment lengths of the data by class, and the segmentations, as far as their files exist."""
    subject = contents.subject
    if dataset is None:
        contents.left_out.append(
            f"The data set {subject.dataset} is not there (give --data-root): no segment lengths, no segmentations, "
            "no scores of single classes."
        )
        return {}, None
    contents.fps = defaults_of(subject.dataset).frames_per_second
    contents.rate = None if contents.fps is None else contents.fps / dataset.sample_rate
    background = subject.background
    if background is None:
        background = background_classes(subject.dataset, dataset.classes, None)
    if not set(background) <= set(dataset.classes):
        raise BadInput(f"background classes {', '.join(background)} are not all classes of {dataset.folder}")
    lengths = segment_lengths(dataset, background)
    contents.longest = max((length, name) for name, every in lengths.items() for length in every)
    if not subject.runs:
        return lengths, None
    missing = without_predictions(subject)
    if missing is not None:
        contents.left_out.append(missing)
        return lengths, None
    return lengths, Segmentations.of(subject, dataset)


def _add_context(contents: Contents, folder: Path, pictures: Pictures) -> None:
    """What ``experiments.context`` has found in the folder of the run."""
    try:
        points = read_frontier(folder)
    except BadInput as fault:
        contents.left_out.append(str(fault))
        return
    contents.context = answer(points)
    caption = "Test scores by how far the network sees: found within budgets, and hand-designed scaled to them."
    contents.frontier = pictures.draw("frontier", caption, lambda: draw_frontier(points))


def _add_networks(contents: Contents) -> None:
    models = {name: each for (name, _), each in reversed(contents.subject.models.items())}
    modules = {name: models[name].module() for name in contents.rows}
    first = next(iter(models.values()))
    network = first.trained_structure().network
    contents.networks = measure(modules, network, first.checkpoint.feature_dim, MEASURED_FRAMES)
    contents.processor = processor()


def _add_segmentations(contents: Contents, found: Segmentations, pictures: Pictures) -> None:
    chosen_by = contents.subject.searched or HAND
    for which, video in found.chosen(chosen_by).items():
        score = found.by_video[video][chosen_by]
        caption = f"{video}: the {which} test video of {chosen_by} (mean of the five metrics {score:.1f} %)."
        true, predictions = found.of_video(video)
        figure = partial(draw_timeline, video, found.truth, true, predictions, contents.fps)
        contents.timelines += pictures.draw(f"timeline_{which}", caption, figure)
    for name, confusion in found.confusions.items():
        caption = f"{name}: frames of each class by predicted class, and true and predicted segments."
        figure = partial(draw_confusion, confusion, found.truth.classes)
        contents.confusions[name] = pictures.draw(f"confusion_{name}", caption, figure)
        segments = confusion.segments.sum(axis=1)
        contents.segmentation[name] = {
            "videos": confusion.videos,
            "more": confusion.more,
            "fewer": confusion.fewer,
            "true": int(segments[0]),
            "predicted": int(segments[1]),
        }
    contents.classes = found.by_class()


def _settings(subject: Subject) -> dict[str, Any]:
    """Settings, seeds and versions of the run, its searches, its final trainings and this report."""
    settings: dict[str, Any] = {"run": subject.settings} if subject.settings else {}
    for (split, phase), search in subject.searches.items():
        packages = [f"{name} {number}" for name, number in search.history.versions.items()]
        by = f"# By {', '.join(packages)}.\n" if packages else ""
        settings[f"{phase} search, split {split}: experiment {search.experiment}"] = by + search.to_yaml()
    for each in list(subject.models.values())[:1]:
        read = {"sample_rate": each.sample_rate, "background": list(each.background)}
        settings["final trainings"] = {**each.about, **read}
    settings["this report"] = {"versions": {**versions(), "nni": version("nni"), "matplotlib": version("matplotlib")}}
    return settings
