from __future__ import annotations

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from analysis.importance import Importance
from analysis.plots.importance import draw_importance
from nas_space.networks import find_network
from tests.analysis.plots.texts import assert_legible


@pytest.mark.parametrize("network", ["ms-tcn:stages=1,layers=2", "ms-tcn++"])
def test_every_layer_has_its_bar(network: str) -> None:
    described = find_network(network)
    drops = np.linspace(-0.05, 0.8, len(described.layers))
    figure = draw_importance("Ab3dE", Importance(300, 0.5, 0.4, drops, np.full_like(drops, 0.1)), described)
    (axes,) = figure.axes
    widths = [bar.get_width() for bar in axes.patches if isinstance(bar, Rectangle)]
    assert widths == pytest.approx(drops.tolist())
    assert [label.get_text() for label in axes.get_yticklabels()] == list(described.paths)
    assert "300 trials (out of bag: R² 0.50, tau 0.40)" in axes.get_title()
    assert_legible(figure)
