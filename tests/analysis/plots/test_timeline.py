from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex

from analysis.plots.colours import BACKGROUND, COLOURS, ERROR, class_looks
from analysis.plots.label_folders import GroundTruth
from analysis.plots.timeline import BAR, ERROR_BAR, draw_timeline, named_folders
from common.bad_input import BadInput
from tests.analysis.plots.texts import assert_legible, drawn_texts

TRUTH = GroundTruth(Path("true"), ("background", "cut", "stir", "never"), frozenset({0}))
TRUE = np.array([0, 0, 1, 1, 1, 2, 2, 2, 2, 0])
OURS = np.array([0, 1, 1, 1, 1, 1, 2, 1, 2, 2])

Bar = tuple[float, float, str]
"""Start, end, colour."""


def colour_of(collection: PolyCollection) -> str:
    red, green, blue, _ = np.asarray(collection.get_facecolor(), float)[0].tolist()
    return to_hex((red, green, blue)).upper()


def bars(axes: Axes, top: float, height: float) -> list[Bar]:
    """The bars of one line of the figure, from left to right."""
    found = []
    for collection in axes.collections:
        assert isinstance(collection, PolyCollection)
        for path in collection.get_paths():
            box = path.get_extents()
            if np.allclose((min(box.y0, box.y1), abs(box.height)), (top, height)):
                found.append((float(box.x0), float(box.x1), colour_of(collection)))
    return sorted(found)


def test_bars_are_the_segments_in_the_colours_of_their_classes() -> None:
    axes = draw_timeline("x", TRUTH, TRUE, {"ours": OURS}).axes[0]
    cut, stir = COLOURS[:2]
    assert bars(axes, 0, BAR) == [(0, 2, BACKGROUND), (2, 5, cut), (5, 9, stir), (9, 10, BACKGROUND)]
    assert bars(axes, 1, BAR) == [(0, 1, BACKGROUND), (1, 6, cut), (6, 7, stir), (7, 8, cut), (8, 10, stir)]


def test_wrong_frames_are_marked_below() -> None:
    axes = draw_timeline("x", TRUTH, TRUE, {"ours": OURS}).axes[0]
    (top,) = {box.y0 for c in axes.collections for p in c.get_paths() if 1 + BAR < (box := p.get_extents()).y0 < 2}
    errors = [bar for bar in bars(axes, top, ERROR_BAR) if bar[2] == ERROR]
    assert errors == [(1, 2, ERROR), (5, 6, ERROR), (7, 8, ERROR), (9, 10, ERROR)]


def test_a_right_prediction_has_no_errors() -> None:
    axes = draw_timeline("x", TRUTH, TRUE, {"ours": TRUE}).axes[0]
    drawn = [c for c in axes.collections if isinstance(c, PolyCollection) and c.get_paths()]
    assert len(drawn) == 7
    assert ERROR not in map(colour_of, drawn)


def test_a_shorter_prediction_ends_early() -> None:
    axes = draw_timeline("x", TRUTH, TRUE, {"ours": TRUE[:4]}).axes[0]
    assert bars(axes, 1, BAR) == [(0, 2, BACKGROUND), (2, 4, COLOURS[0])]
    assert axes.get_xlim() == (0, 10)


def test_the_legend_lists_the_classes_present() -> None:
    (legend,) = draw_timeline("x", TRUTH, TRUE, {"ours": OURS}).legends
    assert [text.get_text() for text in legend.get_texts()] == ["background", "cut", "stir", "errors (thin bars)"]
    (legend,) = draw_timeline("x", TRUTH, TRUE[:5], {}).legends
    assert [text.get_text() for text in legend.get_texts()] == ["background", "cut"]


def test_labels_count_and_score() -> None:
    """Right are 6 of 10 frames; of 4 predicted segments one overlaps its true one by half, so F1 is 2 / (4 + 2)."""
    figure = draw_timeline("x", TRUTH, TRUE, {"ours": OURS}, fps=4)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["ground truth\n2 segments", "ours\n4 segments\nacc 60.0 %, F1@50 33.3 %"]
    shown = [text for text, _ in drawn_texts(figure)]
    assert {"frame", "time (s)", "x: 10 frames, 2.5 s at 4 fps"} <= set(shown)
    assert "time (s)" not in [text for text, _ in drawn_texts(draw_timeline("x", TRUTH, TRUE, {}))]


def test_48_classes_and_10000_frames_are_legible() -> None:
    random = np.random.default_rng(0)
    names = tuple(f"{verb}_pancake_dough_{number}" for number, verb in enumerate(["squeeze", "stir", "put"] * 16))
    truth = GroundTruth(Path("true"), names, frozenset({0}))
    true = np.concatenate([np.repeat(np.arange(48), 60), np.repeat(random.integers(48, size=89), 80)])[:10_000]
    predictions = {
        f"a method with a long name {number}": np.repeat(random.integers(48, size=500), 20) for number in range(4)
    }
    figure = draw_timeline("P03_cam01_P03_pancake", truth, true, predictions, fps=15)
    assert len(true) == 10_000
    assert figure.get_size_inches()[0] * figure.dpi == 1600
    assert_legible(figure)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [*names, "errors (thin bars)"]
    looks = [(to_hex(patch.get_facecolor()).upper(), patch.get_hatch() or "") for patch in legend.get_patches()]
    assert looks[:-1] == [(look.colour, look.hatch) for look in class_looks(48, {0})]


def test_folders_have_names(tmp_path: Path) -> None:
    odd = tmp_path / "lr=0.1"
    odd.mkdir()
    words = [f"ours={odd}", "runs/theirs", str(odd)]
    assert named_folders(words) == {"ours": odd, "theirs": Path("runs/theirs"), "lr=0.1": odd}
    with pytest.raises(BadInput, match="'a' comes twice"):
        named_folders(["a=x", "a=y"])
    with pytest.raises(BadInput, match="expected NAME=DIR"):
        named_folders(["a="])
