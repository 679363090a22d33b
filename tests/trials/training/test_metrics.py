"""The metrics against golden values, against a slow textbook implementation, and their laws."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.bad_input import BadInput
from trials.data.label_files import Labels
from trials.training.metrics import METRICS, Scores, Segments, edit_score, hits, objective_value

CLASSES = 4
Frames = list[int]
Videos = list[tuple[Frames, Frames]]
"""Predicted and true classes of each video."""

frame_classes = st.integers(0, CLASSES - 1)
runs = st.lists(st.tuples(frame_classes, st.integers(1, 6)), min_size=1, max_size=8).map(
    lambda parts: [label for label, length in parts for _ in range(length)]
)
pairs = st.tuples(runs, runs).map(lambda pair: tuple(frames[: min(map(len, pair))] for frames in pair))
videos_strategy = st.lists(pairs, min_size=1, max_size=4)
backgrounds = st.sets(frame_classes)


def score(videos: Videos, background: Collection[int] = ()) -> Scores:
    scores = Scores(CLASSES, frozenset(background))
    for predicted, true in videos:
        scores.add(np.array(predicted), np.array(true))
    return scores


# The slow implementation: plain loops, exact fractions, sets of frames.


def slow_segments(frames: Sequence[int], background: Collection[int]) -> list[tuple[int, set[int]]]:
    segments: list[tuple[int, set[int]]] = []
    for frame, label in enumerate(frames):
        if frame and frames[frame - 1] == label:
            segments[-1][1].add(frame)
        else:
            segments.append((label, {frame}))
    return [segment for segment in segments if segment[0] not in background]


def levenshtein(one: Sequence[int], other: Sequence[int]) -> int:
    table = [[row + column for column in range(len(other) + 1)] for row in range(len(one) + 1)]
    for row in range(1, len(one) + 1):
        for column in range(1, len(other) + 1):
            table[row][column] = min(
                table[row - 1][column] + 1,
                table[row][column - 1] + 1,
                table[row - 1][column - 1] + (one[row - 1] != other[column - 1]),
            )
    return table[-1][-1]


def slow_counts(videos: Videos, background: Collection[int], overlap: int) -> list[list[int]]:
    """[right, wrong, missed] of each class, pooled."""
    counts = [[0, 0, 0] for _ in range(CLASSES)]
    for predicted, true in videos:
        true_segments = slow_segments(true, background)
        found: set[int] = set()
        for label, frames in slow_segments(predicted, background):
            ratios = [
                Fraction(len(frames & others), len(frames | others)) if label == other else Fraction(0)
                for other, others in true_segments
            ]
            best = max(range(len(ratios)), key=lambda index: (ratios[index], -index), default=None)
            if best is not None and best not in found and ratios[best] >= Fraction(overlap, 100):
                found.add(best)
                counts[label][0] += 1
            else:
                counts[label][1] += 1
        for index, (label, _) in enumerate(true_segments):
            counts[label][2] += index not in found
    return counts


def slow_f1(right: int, wrong: int, missed: int) -> float:
    if right + wrong + missed == 0:
        return 100.0
    if right == 0:
        return 0.0
    precision, recall = Fraction(right, right + wrong), Fraction(right, right + missed)
    return float(100 * 2 * precision * recall / (precision + recall))


def slow_metrics(videos: Videos, background: Collection[int]) -> dict[str, float]:
    frames = [pair for predicted, true in videos for pair in zip(predicted, true, strict=True)]
    edits = []
    for predicted, true in videos:
        one, other = ([label for label, _ in slow_segments(frames, background)] for frames in (predicted, true))
        longer = max(len(one), len(other))
        edits.append(100 * (1 - levenshtein(one, other) / longer) if longer else 100.0)
    result = {
        "acc": 100 * sum(predicted == true for predicted, true in frames) / len(frames),
        "edit": sum(edits) / len(edits),
    }
    for overlap in (10, 25, 50):
        pooled = [sum(column) for column in zip(*slow_counts(videos, background, overlap), strict=True)]
        result[f"f1@{overlap}"] = slow_f1(*pooled)
    return result


@given(videos_strategy, backgrounds)
def test_equals_slow_implementation(videos: Videos, background: set[int]) -> None:
    scores = score(videos, background)
    assert scores.metrics() == pytest.approx(slow_metrics(videos, background), abs=1e-9)
    for row, overlap in enumerate((10, 25, 50)):
        assert scores.counts[row].tolist() == slow_counts(videos, background, overlap)


@given(st.lists(frame_classes), st.lists(frame_classes))
def test_edit_is_normalised_levenshtein(one: list[int], other: list[int]) -> None:
    longer = max(len(one), len(other), 1)
    expected = 100 * (1 - levenshtein(one, other) / longer)
    assert edit_score(np.array(one, int), np.array(other, int)) == pytest.approx(expected)


# Golden values: printed by MS-TCN's eval.py on real predictions, see shared/data/README.md.

GOLDEN = ("50salads_mid_edtcn_split1", "50salads_eval_tcnn_split3", "gtea_dilatedtcn_split2", "50salads_mid_svm_split4")


class Golden:
    """One golden set: its videos and its expected values."""

    def __init__(self, folder: Path, name: str) -> None:
        self.expected: dict[str, Any] = json.loads((folder / "metrics_fixture.json").read_text())["fixtures"][name]
        with np.load(folder / "metrics_fixture.npz") as arrays:
            ends = np.cumsum(arrays[f"{name}/lengths"])[:-1]
            predicted, true = (np.split(arrays[f"{name}/{part}"].astype(int), ends) for part in ("pred", "gt"))
        self.videos: list[tuple[Labels, Labels]] = list(zip(predicted, true, strict=True))

    def scores(self, background: Collection[int], videos: slice = slice(None)) -> Scores:
        scores = Scores(self.expected["num_classes"], frozenset(background))
        for predicted, true in self.videos[videos]:
            scores.add(predicted, true)
        return scores


@pytest.fixture(params=GOLDEN)
def golden(real_data: Path, request: pytest.FixtureRequest) -> Golden:
    return Golden(real_data, request.param)


def test_golden_mstcn_background_ignored(golden: Golden) -> None:
    assert golden.scores({0}).metrics() == pytest.approx(golden.expected["mstcn_bg_ignored"], abs=1e-6)


def test_golden_mstcn_background_counted(golden: Golden) -> None:
    assert golden.scores(()).metrics() == pytest.approx(golden.expected["mstcn_bg_counted"], abs=1e-6)


def test_golden_counts(golden: Golden) -> None:
    assert golden.scores({0}).counts.sum(axis=1).tolist() == golden.expected["counts_bg_ignored"]


def test_golden_lea_is_the_mean_over_videos(golden: Golden) -> None:
    rows = [golden.scores({0}, slice(video, video + 1)).metrics() for video in range(len(golden.videos))]
    means = {name: np.mean([row[name] for row in rows]) for name in METRICS}
    assert means == pytest.approx(golden.expected["lea_bg_ignored"], abs=1e-6)


# Laws.


@given(st.lists(runs, min_size=1, max_size=3), backgrounds)
def test_perfect_prediction_is_100_everywhere(truth: list[Frames], background: set[int]) -> None:
    assert set(score([(true, true) for true in truth], background).metrics().values()) == {100.0}


@given(videos_strategy, backgrounds)
def test_all_metrics_are_percent(videos: Videos, background: set[int]) -> None:
    metrics = score(videos, background).metrics()
    assert tuple(metrics) == METRICS
    assert all(0 <= value <= 100 for value in metrics.values())


@given(videos_strategy, backgrounds)
def test_f1_never_rises_with_the_overlap(videos: Videos, background: set[int]) -> None:
    metrics = score(videos, background).metrics()
    assert metrics["f1@10"] >= metrics["f1@25"] >= metrics["f1@50"]


@given(videos_strategy, backgrounds, st.permutations(range(CLASSES)))
def test_relabelling_the_classes_changes_nothing(videos: Videos, background: set[int], new: list[int]) -> None:
    relabelled = [([new[label] for label in one], [new[label] for label in other]) for one, other in videos]
    assert score(relabelled, {new[label] for label in background}).metrics() == score(videos, background).metrics()


@given(videos_strategy, backgrounds, st.randoms())
def test_order_of_the_videos_changes_nothing(videos: Videos, background: set[int], random: Any) -> None:
    shuffled = random.sample(videos, len(videos))
    assert score(shuffled, background).metrics() == pytest.approx(score(videos, background).metrics())


@given(runs, backgrounds)
def test_segments_tile_the_video(frames: Frames, background: set[int]) -> None:
    segments = Segments.of(np.array(frames), background)
    covered = [(int(label), set(range(start, end))) for label, start, end in zip(*vars(segments).values(), strict=True)]
    assert covered == slow_segments(frames, background)
    assert len(segments) == len(covered)


# Worked out by hand.

A, B, C, D = range(4)
TRUE = [A, A, A, A, B, B, B, B]  # A [0, 4), B [4, 8)
PREDICTED = [A, B, B, B, B, B, A, A]  # A [0, 1): 1/4 of A; B [1, 6): 2/7 of B; A [6, 8): 0 of A


def test_half_open_segments_by_hand() -> None:
    assert score([(PREDICTED, TRUE)]).metrics() == pytest.approx(
        {
            "acc": 100 * 3 / 8,  # frames 0, 4 and 5
            "edit": 100 * 2 / 3,  # A B A for A B
            "f1@10": 100 * 4 / 5,  # both found, one predicted too many
            "f1@25": 100 * 4 / 5,  # 1/4 just reaches 25 %
            "f1@50": 0,
        }
    )


def test_background_by_hand() -> None:
    expected = {"acc": 37.5, "edit": 100.0, "f1@10": 100.0, "f1@25": 100.0, "f1@50": 0.0}
    assert score([(PREDICTED, TRUE)], {A}).metrics() == expected


def test_class_metrics_by_hand() -> None:
    scores = score([(PREDICTED, TRUE)], {D})
    assert scores.class_metrics(A) == pytest.approx(
        {"acc": 25.0, "f1@10": 100 * 2 / 3, "f1@25": 100 * 2 / 3, "f1@50": 0}
    )
    assert scores.class_metrics(B) == {"acc": 50.0, "f1@10": 100.0, "f1@25": 100.0, "f1@50": 0.0}


def test_class_metrics_are_none_where_nothing_is_defined() -> None:
    scores = score([([B, B, D, C], [B, D, D, B])], {D})
    none = dict.fromkeys(("f1@10", "f1@25", "f1@50"))
    assert scores.class_metrics(A) == {"acc": None, **none}  # nowhere
    assert scores.class_metrics(C) == {"acc": None, **dict.fromkeys(none, 0.0)}  # predicted only
    assert scores.class_metrics(D) == {"acc": 50.0, **none}  # background


def test_one_true_segment_is_found_once() -> None:
    predicted = [A, A, A, A, B, B, A, A, A, A]  # both A reach 40 % of the one true A
    assert score([(predicted, [A] * 10)]).metrics()["f1@25"] == pytest.approx(100 * 2 / (2 + 2))


def test_hits_names_the_true_segments() -> None:
    predicted, true = Segments.of(np.array(PREDICTED)), Segments.of(np.array(TRUE))
    assert hits(predicted, true, 25).tolist() == [True, True]
    assert hits(predicted, true, 26).tolist() == [False, True]
    assert hits(predicted, true, 29).tolist() == [False, False]


@pytest.mark.parametrize(
    ("predicted", "true", "segmental"),
    [([A, A], [A, A], 100.0), ([B, A], [A, A], 0.0), ([A, A], [A, B], 0.0)],
    ids=["nothing to find, nothing predicted", "nothing to find", "nothing predicted"],
)
def test_no_segments_but_background(predicted: Frames, true: Frames, segmental: float) -> None:
    metrics = score([(predicted, true)], {A}).metrics()
    assert [metrics[name] for name in METRICS[1:]] == [segmental] * 4


# Refusals, and the objective.


@pytest.mark.parametrize(("predicted", "true"), [([A], [A, A]), ([A, A], [A]), ([], [])])
def test_lengths_that_cannot_be_scored_are_refused(predicted: Frames, true: Frames) -> None:
    with pytest.raises(BadInput, match=f"{len(predicted)} predicted frames for {len(true)} true ones"):
        score([(predicted, true)])


def test_no_videos_have_no_metrics() -> None:
    with pytest.raises(BadInput, match="no videos"):
        Scores(CLASSES).metrics()


def test_objective_is_a_metric_or_their_mean() -> None:
    metrics = dict(zip(METRICS, (10.0, 20.0, 30.0, 40.0, 60.0), strict=True))
    assert [objective_value(metrics, name) for name in METRICS] == [10, 20, 30, 40, 60]
    assert objective_value(metrics, "mean") == 32
