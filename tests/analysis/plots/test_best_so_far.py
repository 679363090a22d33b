from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.history import read_history
from analysis.plots.best_so_far import draw_best_so_far
from nni_api.records import Records
from tests.analysis.plots.texts import assert_legible


@pytest.mark.parametrize("count", [1, 15])
def test_each_search_has_a_line_against_epochs_and_hours(count: int, tmp_path: Path) -> None:
    records = Records(tmp_path)
    for uid, value in enumerate((40.0, 30.0, 55.0)):
        result = {"trial": f"t{uid}", "metrics": {"default": value}, "epochs": [{}] * 10, "seconds": 1800.0}
        records.write("finished", uid=uid, structure={"s1l0": uid + 1}, **result)
    history = read_history(tmp_path)
    figure = draw_best_so_far({f"search number {number}": history for number in range(count)}, "f1@10")
    epochs, hours = figure.axes
    assert len(epochs.lines) == len(hours.lines) == count
    assert np.asarray(epochs.lines[-1].get_xydata()).tolist() == [[10, 40], [20, 40], [30, 55]]
    assert np.asarray(hours.lines[-1].get_xydata()).tolist() == [[0.5, 40], [1, 40], [1.5, 55]]
    assert len({(line.get_color(), line.get_linestyle()) for line in epochs.lines}) == count
    assert_legible(figure)
