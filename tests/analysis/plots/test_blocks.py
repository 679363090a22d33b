from __future__ import annotations

import numpy as np
import pytest

from analysis.plots.blocks import MOST_ROWS, label_rows, rows_height
from analysis.plots.figure_file import new_figure
from common.bad_input import BadInput
from nas_space.networks import find_network
from tests.analysis.plots.texts import assert_legible


@pytest.mark.parametrize(
    ("text", "parted"),
    [
        ("ms-tcn:stages=1,layers=1", []),
        ("ms-tcn:stages=3,layers=2", [1.5, 3.5]),
        ("ms-tcn", [9.5, 19.5, 29.5]),
        ("causal-ms-tcn", [9.5, 19.5, 29.5]),
        ("ms-tcn++", [21.5, 31.5, 41.5]),
        (f"ms-tcn:stages=1,layers={MOST_ROWS}", []),
    ],
)
def test_rows_are_named_and_blocks_parted(text: str, parted: list[float]) -> None:
    network = find_network(text)
    figure = new_figure(rows_height(network) + 1)
    axes = figure.add_subplot()
    ends = [f"{row} (100 %)" for row in range(len(network.paths))]
    label_rows(axes, network, ends, "at last")
    (right,) = axes.child_axes
    assert [label.get_text() for label in axes.get_yticklabels()] == list(network.paths)
    assert [label.get_text() for label in right.get_yticklabels()] == ends
    assert axes.yaxis_inverted()
    borders = [np.asarray(line.get_ydata(), float)[0] for line in axes.lines]
    assert borders == parted
    assert_legible(figure)


def test_too_many_rows_are_refused() -> None:
    with pytest.raises(BadInput, match="121 layers are not legible in one figure"):
        rows_height(find_network(f"ms-tcn:stages=1,layers={MOST_ROWS + 1}"))
