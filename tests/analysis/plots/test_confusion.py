from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from numpy.testing import assert_array_equal

from analysis.plots.confusion import Confusion, draw_confusion
from tests.analysis.plots.texts import assert_legible

CLASSES = ("background", "cut", "never", "stir", "wash")


@pytest.fixture
def confusion() -> Confusion:
    """Two videos: one predicted in more segments than it has, one in fewer; ``wash`` is predicted only."""
    counted = Confusion(5, frozenset({0}))
    counted.add(predicted=np.array([0, 1, 3, 1, 1, 4]), true=np.array([0, 1, 1, 1, 3, 3]))
    counted.add(predicted=np.array([1, 1, 1]), true=np.array([1, 0, 1]))
    return counted


def widths(axes: Axes, number: int) -> list[float]:
    container = axes.containers[number]
    assert isinstance(container, BarContainer)
    return [patch.get_width() for patch in container.patches]


def test_counts_by_hand(confusion: Confusion) -> None:
    frames = [[1, 1, 0, 0, 0], [0, 4, 0, 1, 0], [0] * 5, [0, 1, 0, 0, 1], [0] * 5]
    assert_array_equal(confusion.frames, frames)
    assert_array_equal(confusion.segments, [[0, 3, 0, 1, 0], [0, 3, 0, 1, 1]])
    assert (confusion.videos, confusion.more, confusion.fewer) == (2, 1, 1)
    assert confusion.present() == [0, 1, 3, 4]
    nan = np.nan
    assert_array_equal(
        confusion.shares(), [[50, 50, 0, 0, 0], [0, 80, 0, 20, 0], [nan] * 5, [0, 50, 0, 0, 50], [nan] * 5]
    )


def test_a_shorter_prediction_counts_to_its_end() -> None:
    counted = Confusion(2)
    counted.add(predicted=np.array([0, 0]), true=np.array([0, 0, 1]))
    assert_array_equal(counted.frames, [[2, 0], [0, 0]])
    assert_array_equal(counted.segments, [[1, 0], [1, 0]])


def test_the_figure_shows_the_counts(confusion: Confusion) -> None:
    figure = draw_confusion(confusion, CLASSES)
    matrix, bars = figure.axes[:2]
    names = ["background", "cut", "stir", "wash"]
    assert [label.get_text() for label in matrix.get_xticklabels()] == names
    assert [label.get_text() for label in matrix.get_yticklabels()] == names
    shown = {text.get_position(): text.get_text() for text in matrix.texts}  # predicted, true
    assert shown == {(0, 0): "50", (1, 0): "50", (1, 1): "80", (2, 1): "20", (1, 2): "50", (3, 2): "50"}
    assert (widths(bars, 0), widths(bars, 1)) == ([0, 3, 1, 0], [0, 3, 1, 1])
    texts = [text.get_text() for text in bars.texts]
    assert texts == ["background: left out", "3 → 3", "1 → 1", "0 → 1"]
    title = "videos: 2 (over-segmented: 1, under-segmented: 1); frames: 9; segments: 5 predicted, 4 true"
    assert figure.get_suptitle() == title
    assert_legible(figure)


@pytest.mark.parametrize("classes", [1, 20, 48, 70])
def test_many_classes_are_legible(classes: int) -> None:
    random = np.random.default_rng(0)
    counted = Confusion(classes)
    for _ in range(20):
        true, predicted = (np.repeat(random.permutation(classes), 100) for _ in range(2))
        counted.add(predicted, true)
    figure = draw_confusion(counted, tuple(f"a_class_with_a_long_name_{number}" for number in range(classes)))
    assert_legible(figure)
    assert bool(figure.get_figwidth() == 16) == (classes <= 48)
