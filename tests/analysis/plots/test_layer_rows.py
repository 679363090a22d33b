from __future__ import annotations

import numpy as np
import pytest

from analysis.plots.figure_file import new_figure
from analysis.plots.layer_rows import MOST_ROWS, label_rows, rows_height
from common.bad_input import BadInput
from nas_space.shape import MSTCNShape
from tests.analysis.plots.texts import assert_legible


@pytest.mark.parametrize("shape", [MSTCNShape(1, 1), MSTCNShape(3, 2), MSTCNShape(), MSTCNShape(1, MOST_ROWS)])
def test_rows_are_named_and_stages_parted(shape: MSTCNShape) -> None:
    figure = new_figure(rows_height(shape) + 1)
    axes = figure.add_subplot()
    ends = [f"{row} (100 %)" for row in range(len(shape.paths))]
    label_rows(axes, shape, ends, "at last")
    (right,) = axes.child_axes
    assert [label.get_text() for label in axes.get_yticklabels()] == list(shape.paths)
    assert [label.get_text() for label in right.get_yticklabels()] == ends
    assert axes.yaxis_inverted()
    borders = [np.asarray(line.get_ydata(), float)[0] for line in axes.lines]
    layers = shape.num_layers
    assert borders == [stage * layers - 0.5 for stage in range(1, shape.num_stages)]
    assert_legible(figure)


def test_too_many_rows_are_refused() -> None:
    with pytest.raises(BadInput, match="121 layers are not legible in one figure"):
        rows_height(MSTCNShape(1, MOST_ROWS + 1))
