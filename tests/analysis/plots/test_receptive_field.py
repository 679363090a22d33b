from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes

from analysis.plots.receptive_field import MOST_STRUCTURES, draw_receptive_fields
from common.bad_input import BadInput
from nas_space.networks import find_network
from nas_space.structure import Structure
from tests.analysis.plots.texts import assert_legible

NETWORK = find_network("ms-tcn:stages=2,layers=3")
ONE, TWO = Structure((1, 2, 4, 1, 1, 1024), NETWORK), Structure((7, 8, 9, 10, 11, 12), NETWORK)
LENGTHS = {"stir": [9], "never": [], "cut": [100, 3, 1, 4, 2]}


def heights(axes: Axes, number: int) -> list[float]:
    return np.asarray(axes.lines[number].get_ydata(), float).tolist()


def test_fields_add_up_layer_by_layer() -> None:
    """Of kernel size 3, each layer adds twice its dilation; alone it sees 1 + 2 d frames."""
    figure = draw_receptive_fields({"one": ONE, "two": TWO}, LENGTHS, fps=None)
    fields = figure.axes[0]
    assert heights(fields, 0) == [3, 7, 15, 17, 19, 2067]
    assert heights(fields, 1) == [3, 5, 9, 3, 3, 2049]
    assert heights(fields, 2) == [15, 31, 49, 69, 91, 115]
    assert heights(fields, 3) == [15, 17, 19, 21, 23, 25]
    assert fields.lines[0].get_color() == fields.lines[1].get_color() != fields.lines[2].get_color()
    assert np.asarray(fields.lines[4].get_xdata()).tolist() == [2.5, 2.5]  # between s1l2 and s2l0
    assert [label.get_text() for label in fields.get_xticklabels()] == ["stage 1", "stage 2"]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["one: 2067 frames", "two: 115 frames", "a layer alone"]


def test_boxes_are_the_lengths_of_each_class() -> None:
    """Of 1, 2, 3, 4, 100 the quartiles are 2 and 4, and the median is 3; classes come by their longest segment."""
    boxes = draw_receptive_fields({"one": ONE}, LENGTHS, fps=None).axes[1]
    assert [label.get_text() for label in boxes.get_xticklabels()] == ["cut (5)", "stir (1)"]
    cut, stir = (patch.get_path().get_extents() for patch in boxes.patches)
    assert ((cut.y0, cut.y1), (stir.y0, stir.y1)) == ((2, 4), (9, 9))
    drawn = [heights(boxes, number) for number in (0, 1, 4, 9)]
    assert drawn == [[2, 1], [4, 100], [3, 3], [9, 9]]  # to the shortest and the longest, and medians


def test_the_longest_segment_goes_through_both() -> None:
    fields, boxes = draw_receptive_fields({"one": ONE}, LENGTHS, fps=None).axes
    assert [heights(axes, -1) for axes in (fields, boxes)] == [[100, 100]] * 2
    assert fields.get_ylim() == boxes.get_ylim()
    assert (fields.get_yscale(), boxes.get_yscale()) == ("log", "log")
    assert [text.get_text() for text in boxes.texts] == ["longest segment: 100 frames"]


def test_seconds_are_shown_where_the_rate_is_known() -> None:
    figure = draw_receptive_fields({"one": ONE}, LENGTHS, fps=10)
    boxes = figure.axes[1]
    assert_legible(figure)
    (seconds,) = boxes.child_axes
    assert seconds.get_ylim() == pytest.approx(np.array(boxes.get_ylim()) / 10)
    assert draw_receptive_fields({"one": ONE}, LENGTHS, fps=None).axes[1].child_axes == []


def test_of_layers_side_by_side_the_longer_one_counts() -> None:
    """1 and 3 side by side, then 5 and 2, then a refinement stage of one layer that the frames pass twice."""
    network = find_network("ms-tcn++:prediction=2,refinements=2,layers=1,shared=1")
    fields = draw_receptive_fields({"one": Structure((1, 3, 5, 2, 4), network)}, LENGTHS, fps=None).axes[0]
    assert heights(fields, 0) == [7, 7, 17, 17, 33]
    assert heights(fields, 1) == [3, 7, 11, 5, 9]
    assert np.asarray(fields.lines[2].get_xdata()).tolist() == [3.5, 3.5]
    assert [label.get_text() for label in fields.get_xticklabels()] == ["stage 1", "stage 2"]
    assert fields.get_title() == "receptive field after each layer (half to each side)"


def test_a_causal_network_sees_as_much_of_the_past_alone() -> None:
    network = find_network("causal-ms-tcn:stages=2,layers=3")
    fields = draw_receptive_fields({"one": Structure(ONE.dilations, network)}, LENGTHS, fps=None).axes[0]
    assert heights(fields, 0) == [3, 7, 15, 17, 19, 2067]
    assert fields.get_title() == "receptive field after each layer (of the present and the past)"


@pytest.mark.parametrize(
    ("structures", "classes", "network"),
    [
        (1, 1, "ms-tcn:layers=1"),
        (3, 17, "ms-tcn"),
        (MOST_STRUCTURES, 48, "ms-tcn"),
        (3, 17, "causal-ms-tcn"),
        (3, 17, "ms-tcn++"),
        (3, 17, "ms-tcn++:prediction=1,layers=9,shared=1"),
        (3, 17, "ms-tcn++:prediction=20,refinements=7,layers=1"),
    ],
)
def test_fields_are_legible(structures: int, classes: int, network: str) -> None:
    random, described = np.random.default_rng(0), find_network(network)
    figure = draw_receptive_fields(
        {
            f"runs/a folder with a long name/{number}": Structure(
                tuple(2 ** random.integers(11, size=len(described.layers))), described
            )
            for number in range(structures)
        },
        {
            f"a_class_with_a_long_name_{number}": random.integers(1, 6000, size=number + 1).tolist()
            for number in range(classes)
        },
        fps=15,
    )
    texts = assert_legible(figure)
    assert figure.get_figwidth() <= 17
    assert ("a layer alone" in texts) == (structures <= 4)


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(BadInput, match="there are no segments"):
        draw_receptive_fields({"one": ONE}, {"never": []}, fps=None)
    with pytest.raises(BadInput, match="13 structures are not legible"):
        draw_receptive_fields({str(number): ONE for number in range(MOST_STRUCTURES + 1)}, LENGTHS, fps=None)
