from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.plots.label_folders import GroundTruth
from common.bad_input import BadInput


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six true videos of 4 and 40 frames, and predictions beside them."""
    for part in ("true", "predicted"):
        (tmp_path / part).mkdir()
    for video in "uvwxy":
        (tmp_path / "true" / f"{video}.txt").write_text("a\na\nbackground\nb\n")
    (tmp_path / "true" / "z.txt").write_text("a\n" * 40)
    return tmp_path


def predict(folder: Path, text: str, name: str = "x.txt") -> None:
    (folder / "predicted" / name).write_text(text)


def test_classes_are_those_of_all_files(folder: Path) -> None:
    truth = GroundTruth.of(folder / "true")
    assert truth.classes == ("a", "b", "background")
    assert truth.background == {2}
    assert truth.labels("x").tolist() == [0, 0, 2, 1]
    assert GroundTruth.of(folder / "true", background=[]).background == frozenset()
    assert GroundTruth.of(folder / "true", background=["b", "a"]).background == {0, 1}


def test_a_mapping_says_the_order_of_classes(folder: Path) -> None:
    (folder / "mapping.txt").write_text("0 b\n1 background\n2 a\n3 c\n")
    assert GroundTruth.of(folder / "true").classes == ("b", "background", "a", "c")
    (folder / "other.txt").write_text("0 background\n1 a\n2 b\n")
    truth = GroundTruth.of(folder / "true", folder / "other.txt")
    assert truth.labels("x").tolist() == [1, 1, 0, 2]


@pytest.mark.parametrize(("name", "heading"), [("x.txt", ""), ("x", "### Frame level recognition: ###\n")])
def test_predictions_are_read_as_evaluate_reads_them(folder: Path, name: str, heading: str) -> None:
    predict(folder, heading + ("a b b a" if heading else "a\nb\nb\na\n"), name)
    truth = GroundTruth.of(folder / "true")
    assert truth.predicted(folder / "predicted", "x", truth.labels("x")).tolist() == [0, 1, 1, 0]


def test_an_unknown_video_lists_a_few_that_there_are(folder: Path) -> None:
    truth = GroundTruth.of(folder / "true")
    with pytest.raises(BadInput, match=r"true: no video 'q': there are u, v, w, x and 2 more$"):
        truth.labels("q")
    predict(folder, "a\n", "u.txt")
    with pytest.raises(BadInput, match=r"predicted: no video 'x': there are u$"):
        truth.predicted(folder / "predicted", "x", truth.labels("x"))


def test_an_unknown_class_is_refused(folder: Path) -> None:
    predict(folder, "a\na\nq\nb\n")
    truth = GroundTruth.of(folder / "true")
    with pytest.raises(BadInput, match=r"x\.txt, line 3: 'q' is not a class: there are a, b, background"):
        truth.predicted(folder / "predicted", "x", truth.labels("x"))
    with pytest.raises(BadInput, match="background class 'q' is not a class"):
        GroundTruth.of(folder / "true", background=["q"])


@pytest.mark.parametrize("length", [23, 57])
def test_another_length_is_refused(folder: Path, length: int) -> None:
    predict(folder, "a\n" * length, "z.txt")
    truth = GroundTruth.of(folder / "true")
    with pytest.raises(BadInput, match=rf"z\.txt: {length} frames, but 40 are labelled"):
        truth.predicted(folder / "predicted", "z", truth.labels("z"))


@pytest.mark.parametrize(("length", "kept"), [(24, 24), (56, 40)])
def test_a_few_frames_are_cut_with_a_warning(folder: Path, length: int, kept: int) -> None:
    predict(folder, "a\n" * length, "z.txt")
    truth = GroundTruth.of(folder / "true")
    with pytest.warns(UserWarning, match=f"{length} frames, but 40 are labelled: cut"):
        labels = truth.predicted(folder / "predicted", "z", truth.labels("z"))
    np.testing.assert_array_equal(labels, [0] * kept)
