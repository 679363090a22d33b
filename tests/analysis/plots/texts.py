"""Which texts a figure shows, and where: for the tests of legibility."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox


def drawn_texts(figure: Figure) -> list[tuple[str, Bbox]]:
    """Every text that is really drawn, with its extent in pixels."""
    texts: list[tuple[str, Bbox]] = []
    draw = Text.draw

    def record(text: Text, renderer: Any, *rest: Any, **options: Any) -> None:
        draw(text, renderer, *rest, **options)
        if text.get_visible() and text.get_text().strip():
            texts.append((text.get_text(), text.get_window_extent(renderer)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Text, "draw", record)
        figure.canvas.draw()
    return texts


def assert_legible(figure: Figure) -> None:
    """No text lies on another one by more than a pixel, or beyond the sheet; none is smaller than 9 points."""
    texts = drawn_texts(figure)
    assert texts
    width, height = figure.get_size_inches() * figure.dpi
    beyond = [text for text, at in texts if at.x0 < 0 or at.y0 < 0 or at.x1 > width or at.y1 > height]
    assert beyond == []
    inner = [(text, at.padded(-1)) for text, at in texts]
    assert [(one, other) for (one, a), (other, b) in combinations(inner, 2) if a.overlaps(b)] == []
    sizes = [float(text.get_fontsize()) for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
    assert min(sizes) >= 9
