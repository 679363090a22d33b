"""Which texts a figure shows, and where: for the tests of legibility."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox


def drawn_texts(figure: Figure) -> list[tuple[str, Bbox]]:
    """Every text that is really drawn, with its extent in pixels."""
    texts: list[tuple[str, Bbox]] = []

    def record(text: Text, renderer: Any, *_: Any, **__: Any) -> None:
        if text.get_visible() and text.get_text().strip():
            texts.append((text.get_text(), text.get_window_extent(renderer)))

    with texts_laid_out_once(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(Text, "draw", record)  # where it lies is enough: drawing its letters takes as long as the rest
        figure.canvas.draw()
    return texts


@contextmanager
def texts_laid_out_once() -> Iterator[None]:
    """Matplotlib lays a text out for every question about it, in half of the time that figures take; here, once."""
    known: dict[object, Any] = {}
    lay_out = vars(Text)["_get_layout"]

    def layout(text: Text, renderer: Any) -> Any:
        assert not text.get_wrap()  # it would depend on where it lies
        figure = text.get_figure(root=True)
        assert figure is not None
        font = text.get_fontproperties(), figure.dpi, text.get_usetex()
        aligned = text.get_horizontalalignment(), text.get_verticalalignment(), vars(text)["_multialignment"]
        turned = text.get_rotation(), text.get_rotation_mode(), vars(text)["_linespacing"]
        key = renderer, text.get_text(), font, aligned, turned
        if key not in known:
            known[key] = lay_out(text, renderer)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Text, "_get_layout", layout)
        yield


def assert_legible(figure: Figure) -> list[str]:
    """No text lies on another one by more than a pixel, or beyond the sheet; none is smaller than 9 points.

    Returns:
        The texts.
    """
    texts = drawn_texts(figure)
    assert texts
    width, height = figure.get_size_inches() * figure.dpi
    beyond = [text for text, at in texts if at.x0 < 0 or at.y0 < 0 or at.x1 > width or at.y1 > height]
    assert beyond == []
    corners = np.array([at.padded(-1).get_points() for _, at in texts])  # Bbox.overlaps takes seconds for all pairs
    low, high = corners.min(axis=1), corners.max(axis=1)
    overlap = (low[:, None] <= high).all(axis=-1) & (low <= high[:, None]).all(axis=-1)
    assert [(texts[one][0], texts[other][0]) for one, other in np.argwhere(np.triu(overlap, k=1))] == []
    sizes = [float(text.get_fontsize()) for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
    assert min(sizes) >= 9
    return [text for text, _ in texts]
